package main

import "testing"

func checkResourcesPage(t *testing.T, a app) { _ = a }
