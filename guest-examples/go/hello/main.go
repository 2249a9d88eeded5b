package main

import (
	"fmt"
	"net/http"

	"taffrail.dev/workers"
)

func main() {
	workers.Serve(http.HandlerFunc(hello))
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Println("asked for", r.URL.Path)
	fmt.Fprintf(w, "%s from %s\n", workers.Env("GREETING"), r.URL.Path)
}
