package workers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	witTypes "taffrail.dev/workers/internal/wit/types"

	"taffrail.dev/workers/internal/wit/imports/wasi_http_types"
)

// serve answers a request with a handler.
func serve(
	handler http.Handler,
	incoming *wasi_http_types.IncomingRequest,
	out *wasi_http_types.ResponseOutparam,
) error {
	defer incoming.Drop()
	request, err := received(incoming)
	if err != nil {
		return err
	}
	defer request.Body.Close()
	response := &responseWriter{header: make(http.Header), out: out}
	handler.ServeHTTP(response, request)
	if response.body == nil {
		response.WriteHeader(http.StatusOK)
	}
	if response.err == nil {
		response.body.finish()
	}
	return response.err
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

func received(incoming *wasi_http_types.IncomingRequest) (*http.Request, error) {
	method, scheme := incoming.Method(), "http"
	if of := incoming.Scheme(); of.IsSome() && of.Some().Tag() == wasi_http_types.Scheme_Https {
		scheme = "https"
	}
	host := incoming.Authority().SomeOr("localhost")
	path := incoming.PathWithQuery().SomeOr("/")
	address, err := url.Parse(scheme + "://" + host + path)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	request := (&http.Request{
		URL: address, Host: host, RequestURI: path,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header(incoming.Headers()),
		Body:   newIncomingBody(ctx, incoming.Consume().Ok()),
	}).WithContext(ctx)
	if tag := int(method.Tag()); tag < len(methods) {
		request.Method = methods[tag]
	} else {
		request.Method = method.Other()
	}
	request.ContentLength, err = strconv.ParseInt(request.Header.Get("Content-Length"), 10, 64)
	if err != nil {
		request.ContentLength = -1
	}
	return request, nil
}

// responseWriter sends a response, whose head goes out with the first piece of its body.
type responseWriter struct {
	header http.Header
	out    *wasi_http_types.ResponseOutparam
	body   *outgoingBody
	err    error
}

func (w *responseWriter) Header() http.Header {
	return w.header
}

func (w *responseWriter) WriteHeader(status int) {
	if w.body != nil || w.err != nil {
		return
	}
	if status < 200 || status > 999 {
		panic(fmt.Sprintf("invalid status %d", status))
	}
	fields, err := fields(w.header)
	if err != nil {
		w.err = err
		return
	}
	response := wasi_http_types.MakeOutgoingResponse(fields)
	response.SetStatusCode(uint16(status))
	body := response.Body().Ok()
	wasi_http_types.ResponseOutparamSet(w.out,
		witTypes.Ok[*wasi_http_types.OutgoingResponse, wasi_http_types.ErrorCode](response))
	w.body = newOutgoingBody(body)
}

func (w *responseWriter) Write(bytes []byte) (int, error) {
	if w.body == nil && w.header.Get("Content-Type") == "" {
		w.header.Set("Content-Type", http.DetectContentType(bytes))
	}
	w.WriteHeader(http.StatusOK)
	if w.err != nil {
		return 0, w.err
	}
	return w.body.Write(bytes)
}

// Flush sends the head of the response. Pieces of the body are sent as they are written.
func (w *responseWriter) Flush() {
	w.WriteHeader(http.StatusOK)
}

var _ http.Flusher = (*responseWriter)(nil)
