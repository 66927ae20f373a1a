package icaconfig

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestResourcesAreThereOnce: what two storages share is one resource, which knows both.
func TestResourcesAreThereOnce(t *testing.T) {
	b := mustBaseline(t, mustParse(t, several))
	one, two, three := b.Storages[0], b.Storages[1], b.Storages[2]
	for what, got := range map[string][]any{
		"buckets":   {len(b.Buckets), 3, b.Buckets[0], one.Bucket, b.Buckets[1], two.Bucket, b.Buckets[2], three.Bucket},
		"roles":     {len(b.Roles), 2, b.Roles[0], one.Role, b.Roles[0], two.Role, b.Roles[1], three.Role},
		"providers": {len(b.Providers), 2, b.Providers[0], one.Provider, b.Providers[0], two.Provider, b.Providers[1], three.Provider},
		"keys":      {len(b.Keys), 1, b.Keys[0], one.Key, b.Keys[0], two.Key, (*Key)(nil), three.Key},
		"buckets of the roles": {
			len(b.Roles[0].Buckets), 2, b.Roles[0].Buckets[0], one.Bucket, b.Roles[0].Buckets[1], two.Bucket, b.Roles[1].Buckets[0],
			three.Bucket,
		},
	} {
		for pair := range slices.Chunk(got, 2) {
			if pair[0] != pair[1] {
				t.Errorf("%s: %v is not %v", what, pair[0], pair[1])
			}
		}
	}
	both, last := Shared{[]string{"a", "b"}, Observe}, Shared{[]string{"c"}, Observe}
	for what, got := range map[string][]Shared{
		"role": {one.Role.Shared, both}, "provider": {one.Provider.Shared, both}, "key": {one.Key.Shared, both},
		"bucket of a": {one.Bucket.Shared, {[]string{"a"}, Enforce}}, "bucket of b": {two.Bucket.Shared, {[]string{"b"}, Observe}},
		"role of c": {three.Role.Shared, last}, "provider of c": {three.Provider.Shared, last},
	} {
		if !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s: %+v, want %+v", what, got[0], got[1])
		}
	}
}

func TestSharedModeIsTheMostCareful(t *testing.T) {
	for want, modes := range map[Mode][]string{
		Enforce: {"enforce", "enforce enforce enforce"},
		Observe: {"observe", "observe enforce", "enforce observe enforce", "enforce enforce observe"},
	} {
		for _, list := range modes {
			var s Shared
			for _, mode := range strings.Fields(list) {
				s.use("storage", Mode(mode))
			}
			if s.Mode != want {
				t.Errorf("%s: %s, want %s", list, s.Mode, want)
			}
		}
	}
}

// TestBaselinesAreApart: what one baseline's user changes is not seen in the next.
func TestBaselinesAreApart(t *testing.T) {
	f := mustParse(t, several)
	first := mustBaseline(t, f)
	want := string(indented(t, mustBaseline(t, f)))
	first.Roles[0].Mode, first.Buckets[0].Name, first.Tags["owner"] = Enforce, "other", "other"
	first.Roles[0].Buckets[0].CORS.AllowedMethods[0] = "OTHER"
	if got := string(indented(t, mustBaseline(t, f))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
