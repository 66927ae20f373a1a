package yamlspec

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// house has every kind of field. The messages themselves are golden where a real file is read.
type house struct {
	Street string            `yaml:"street" help:"where it stands" required:"true" format:"street"`
	Colour string            `yaml:"colour" help:"of its walls" allowed:"red|white" default:"white"`
	Labels map[string]string `yaml:"labels" help:"free" format:"labels"`
	Guests []string          `yaml:"guests" help:"who comes" format:"street"`
	Owners []string          `yaml:"owners" help:"whose it is" format:"street" several:"2"`
	Garden garden            `yaml:"garden" help:"around it"`
	Rooms  []room            `yaml:"rooms" help:"one entry for each room"`
}

type garden struct {
	Existing bool `yaml:"existing" help:"it was there before"`
	Mown     bool `yaml:"mown" help:"each week" default:"true" adopted:"false"`
}

type room struct {
	Name string `yaml:"name" help:"its name" required:"true" format:"street"`
}

func houses() *Spec {
	return &Spec{
		Of: reflect.TypeFor[house](), Describes: "one house", IfEmpty: "describe a house",
		Formats: map[string]*Format{
			"street": {Noun: "a street", Pattern: `[a-z]{1,40}`, Fits: UpTo(40), Refused: "^no", Allowed: "letters", Example: "elm"},
			"labels": {Noun: "labels", Allowed: "pairs", Example: "{a: b}", Pairs: &Pairs{Most: 3}},
		},
	}
}

func TestDecode(t *testing.T) {
	var h house
	d := houses().Decode(
		"house.yaml",
		[]byte("street: elm\nlabels: {a: b, c d: e}\nguests: [ann]\ngarden: {existing: true}\nrooms: [{name: hall}]\n"), &h,
	)
	want := house{
		Street: "elm",
		Colour: "white",
		Labels: map[string]string{"a": "b", "c d": "e"},
		Guests: []string{"ann"},
		Garden: garden{Existing: true},
		Rooms:  []room{{"hall"}},
	}
	if err := d.Err(); err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, h, want)
	}
	if d.Where("rooms[0].name") != (Position{5, 16}) || d.Where("garden.mown") != (Position{4, 9}) ||
		!d.Written(PairPath("labels", "c d")) ||
		d.Written("colour") {
		t.Errorf("positions: %v %v", d.Where("rooms[0].name"), d.Where("garden.mown"))
	}
}

// TestSeveral: one text stands for a list of one.
func TestSeveral(t *testing.T) {
	for text, want := range map[string][]string{"ann": {"ann"}, "[ann]": {"ann"}, "[ann, bob]": {"ann", "bob"}, "~": nil} {
		var h house
		d := houses().Decode("house.yaml", []byte("street: elm\nowners: "+text+"\n"), &h)
		if err := d.Err(); err != nil || !slices.Equal(h.Owners, want) {
			t.Errorf("%s: %v, %v", text, h.Owners, err)
		}
	}
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"": "house.yaml:1:1: the file is empty; describe a house",
		"street: elm\n---\nstreet: oak\n": "house.yaml:2:1: a second YAML document (after ---) begins here; one file describes " +
			"one house",
		"street: nowhere": `house.yaml:1:9: street: "nowhere" is not a street; allowed: letters; example: street: elm`,
		"street: " + strings.Repeat("a", 41): `house.yaml:1:9: street: "` + strings.Repeat("a", 41) +
			`" is not a street; allowed: letters; example: street: elm`,
		"street: elm\ncolour: wite": `house.yaml:2:9: colour: "wite" is not known; did you mean white?; allowed: red, white; example: colour: red`,
		"street: elm\nmown: true": "house.yaml:2:1: mown: unknown key here; it belongs to garden (look at the " +
			"indentation); allowed: street, colour, labels, guests, owners, garden, rooms",
		"street: elm\nowners: []":        "house.yaml:2:9: owners: has 0 values, not 1 to 2; allowed: letters; example: owners: elm",
		"street: elm\nowners: [a, b, c]": "house.yaml:2:9: owners: has 3 values, not 1 to 2; allowed: letters; example: owners: elm",
		"street: elm\nowners: {a: b}": "house.yaml:2:9: owners: is a mapping, " +
			"not text or a list of up to 2; allowed: letters; example: owners: elm",
		"street: elm\nowners: NO":            `house.yaml:2:9: owners: "NO" is not a street; allowed: letters; example: owners: elm`,
		"street: elm\nowners: [ann, \"NO\"]": `house.yaml:2:15: owners[1]: "NO" is not a street; allowed: letters; example: owners: elm`,
		"street: elm\nrooms: [{}]":           "house.yaml:2:9: rooms[0].name: is missing; allowed: letters; example: name: elm",
	} {
		if err := houses().Decode("house.yaml", []byte(text), &house{}).Err(); err == nil || err.Error() != want {
			t.Errorf("%q\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// TestOfNothingInParticular: what one file is about is known to whoever reads it.
func TestOfNothingInParticular(t *testing.T) {
	files, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile(`(?i)\b(ica|illumina|aws|storages?|bucket)\b`)
	for _, file := range slices.DeleteFunc(slices.Concat(files, here), func(name string) bool {
		return strings.HasSuffix(name,
			"_test.go")
	}) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := word.FindString(string(text)); found != "" {
			t.Errorf("%s speaks of %s", file, found)
		}
	}
}
