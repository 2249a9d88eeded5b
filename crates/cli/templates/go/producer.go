package main

import (
	"fmt"
	"net/http"

	"taffrail.dev/workers"
)

func main() {
	workers.Serve(http.HandlerFunc(serve))
}

func serve(w http.ResponseWriter, r *http.Request) {
	fmt.Println("asked for", r.URL.Path)
	fmt.Fprintf(w, "Hello from %s\n", r.URL.Path)
}
