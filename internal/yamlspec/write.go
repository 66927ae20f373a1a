package yamlspec

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Flow writes a struct with tags yaml on one line, {key: value, …}, with quotes wherever the text needs them to be read
// back as it is.
func Flow(plain any) string {
	var n yaml.Node
	if err := n.Encode(plain); err != nil {
		panic("yamlspec: " + err.Error()) // plain data always encodes
	}
	n.Style = yaml.FlowStyle
	text, err := yaml.Marshal(&n)
	if err != nil {
		panic("yamlspec: " + err.Error())
	}
	return strings.TrimSpace(string(text))
}
