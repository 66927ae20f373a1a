package guard

import "sync"

// pass remembers the documents that were read in one pass over many jobs: rows that need the same answer (GetRole,
// GetBucketVersioning) share it. A write drops them all, and what decides about a write or proves one is always read
// anew.
type pass struct {
	mu   sync.Mutex
	read map[string]*once
}

// once is one document. Who comes while it is being read waits for it.
type once struct {
	mu    sync.Mutex
	known bool
	value any
}

func newPass() *pass { return &pass{read: map[string]*once{}} }

// drop forgets everything that was read.
func (p *pass) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read = map[string]*once{}
}

func (p *pass) entry(key string) *once {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read[key] == nil {
		p.read[key] = &once{}
	}
	return p.read[key]
}

// ReadOnce reads the document that the key names, or answers what it was in this pass. An error is not remembered: the
// next row asks again.
func ReadOnce[T any](c Clients, key string, read func() (T, error)) (T, error) {
	if c.pass == nil {
		return read()
	}
	entry := c.pass.entry(key)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if known, ok := entry.value.(T); ok && entry.known {
		return known, nil
	}
	value, err := read()
	if err == nil {
		entry.known, entry.value = true, value
	}
	return value, err
}

// with is the clients within a pass.
func (c Clients) with(p *pass) Clients {
	c.pass = p
	return c
}
