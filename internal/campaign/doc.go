// Package campaign is what the tests share that break a storage under faults: the real functions behind a queue, the choice
// of cases, and what is counted. The tests themselves stand with the settings, whose ways of breaking they use.
//
// Invariant: a case is the same again with the same seed, and a fault counts only where it struck.
package campaign
