// Package events is the samples of this directory, for programs that compare what AWS sends with them.
package events

import "embed"

// Samples are the files *.json, which are constructed, and recorded/*.json, which third parties recorded.
//
//go:embed *.json recorded/*.json
var Samples embed.FS
