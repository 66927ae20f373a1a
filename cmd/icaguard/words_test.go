package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// retired are identifiers and phrases that have another name now, each cut in two so that this file does not hold them.
// They are no English words that a text may need.
func retired() []string {
	return []string{
		"Ears" + "AndHands",
		"Look" + "Again",
		"Bu" + "ry(",
		"aws" + "lore",
		"lab" + "test",
		"Told" + "By",
		"Missed" + "ByEvents",
		"icaguard-" + "looks",
		"icaguard-" + "tell",
		"icaguard-" + "hear-",
		"is " + "deaf",
		"told " + "past",
		"to the " + "word",
		"ears and " + "hands",
	}
}

// TestRetiredWords: one thing has one name in code, texts and file names.
func TestRetiredWords(t *testing.T) {
	top := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != top &&
				(strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"node_modules", "cdk.out", "dist", "bin"}, entry.Name())) {
				return filepath.SkipDir
			}
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || bytes.ContainsRune(text, 0) {
			return err
		}
		files++
		for _, word := range retired() {
			if strings.Contains(strings.ToLower(path+"\n"+string(text)), strings.ToLower(word)) {
				t.Errorf("%s holds %q", path, word)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 400 {
		t.Errorf("only %d files were read", files)
	}
}
