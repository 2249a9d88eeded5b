package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"taffrail.dev/workers"
)

func main() {
	http.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Println("hello")
		fmt.Fprint(w, "hello")
	})
	http.HandleFunc("/vars", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, workers.Env("GREETING"))
	})
	http.HandleFunc("/props", func(w http.ResponseWriter, _ *http.Request) {
		w.Write(workers.Props())
	})
	http.HandleFunc("/levels", func(w http.ResponseWriter, _ *http.Request) {
		slog.Debug("a debug")
		slog.Info("an info")
		fmt.Println("a log")
		slog.Warn("a warning")
		slog.Error("an error")
		fmt.Fprint(w, "logged")
	})
	http.HandleFunc("/kv", kv)
	http.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		io.Copy(w, r.Body)
	})
	http.HandleFunc("/fail", func(http.ResponseWriter, *http.Request) { fail() })
	http.HandleFunc("/memory", memory)
	http.HandleFunc("/overflow", func(http.ResponseWriter, *http.Request) { overflow(0) })
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	workers.Serve(http.DefaultServeMux)
}

func kv(w http.ResponseWriter, _ *http.Request) {
	kv := workers.KV("KV")
	if err := kv.Put("color", []byte("grün")); err != nil {
		panic(err)
	}
	color, err := kv.Get("color")
	if err != nil {
		panic(err)
	}
	w.Write(color)
}

func fail() {
	panic("no such order")
}

var kept [][]byte

func memory(http.ResponseWriter, *http.Request) {
	for {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func overflow(depth int) int {
	return overflow(depth+1) + 1
}
