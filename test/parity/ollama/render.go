// In: lines of generate.ts on stdin. Out: a line for each: what Ollama's parser reads in it and what
// Ollama's template engine renders, each as the first 16 digits of its SHA-256, and the thought words that Ollama finds.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/parser"
	"github.com/ollama/ollama/template"
	"github.com/ollama/ollama/thinking"
)

type conversation struct {
	System   string `json:"system"`
	Messages []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
}

type line struct {
	Key           string         `json:"key"`
	Modelfile     string         `json:"modelfile"`
	Conversations []conversation `json:"conversations"`
}

type answer struct {
	Key        string   `json:"key"`
	Template   string   `json:"template"`
	Parameters []string `json:"parameters"`
	Rendered   []string `json:"rendered"`
	Thoughts   []string `json:"thoughts"`
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:16]
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		var in line
		must(json.Unmarshal(scanner.Bytes(), &in))
		file, err := parser.ParseFile(strings.NewReader(in.Modelfile))
		must(err)
		out := answer{Key: in.Key, Thoughts: []string{}}
		var parsed *template.Template
		for _, command := range file.Commands {
			switch command.Name {
			case "template":
				out.Template = digest(command.Args)
				parsed, err = template.Parse(command.Args)
				must(err)
			case "model", "license":
			default:
				out.Parameters = append(out.Parameters, command.Name+" "+command.Args)
			}
		}
		for _, talk := range in.Conversations {
			var messages []api.Message
			if talk.System != "" {
				messages = append(messages, api.Message{Role: "system", Content: talk.System})
			}
			for _, message := range talk.Messages {
				messages = append(messages, api.Message{Role: message.Role, Content: message.Content})
			}
			var rendered bytes.Buffer
			must(parsed.Execute(&rendered, template.Values{Messages: messages}))
			out.Rendered = append(out.Rendered, digest(rendered.String()))
		}
		open, close := thinking.InferTags(parsed.Template)
		if open != "" {
			out.Thoughts = []string{open, close}
		}
		must(encoder.Encode(out))
	}
	must(scanner.Err())
}
