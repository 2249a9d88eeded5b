package workers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"taffrail.dev/workers/internal/loop"
	witTypes "taffrail.dev/workers/internal/wit/types"

	"taffrail.dev/workers/internal/wit/imports/taffrail_workers_services"
	"taffrail.dev/workers/internal/wit/imports/wasi_http_outgoing_handler"
	"taffrail.dev/workers/internal/wit/imports/wasi_http_types"
)

// Transport sends requests over the network. It is [http.DefaultTransport] in a Worker.
var Transport http.RoundTripper = transport(wasi_http_outgoing_handler.Handle)

// Service returns a transport whose requests go to the Worker of a binding in services.
func Service(binding string) http.RoundTripper {
	return transport(func(
		request *wasi_http_types.OutgoingRequest, options witTypes.Option[*wasi_http_types.RequestOptions],
	) sent {
		return taffrail_workers_services.Fetch(binding, request, options)
	})
}

func init() {
	http.DefaultTransport = Transport
}

type (
	sent      = witTypes.Result[*wasi_http_types.FutureIncomingResponse, wasi_http_types.ErrorCode]
	transport func(*wasi_http_types.OutgoingRequest, witTypes.Option[*wasi_http_types.RequestOptions]) sent
)

// RoundTrip sends a request. Its body is sent beside the response, which may begin before.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	outgoing, err := outgoing(request)
	if err != nil {
		return nil, err
	}
	body := newOutgoingBody(outgoing.Body().Ok())
	sent := t(outgoing, witTypes.None[*wasi_http_types.RequestOptions]())
	if sent.IsErr() {
		return nil, errorOf(sent.Err())
	}
	go send(request.Body, body)
	response, err := answer(request.Context(), sent.Ok())
	if err != nil {
		return nil, err
	}
	defer response.Drop()
	header := header(response.Headers())
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	status := int(response.Status())
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: length, Request: request,
		Body: newIncomingBody(request.Context(), response.Consume().Ok()),
	}, nil
}

func outgoing(request *http.Request) (*wasi_http_types.OutgoingRequest, error) {
	header := request.Header.Clone()
	if request.ContentLength > 0 {
		header.Set("Content-Length", strconv.FormatInt(request.ContentLength, 10))
	}
	fields, err := fields(header)
	if err != nil {
		return nil, err
	}
	outgoing := wasi_http_types.MakeOutgoingRequest(fields)
	method := request.Method
	if method == "" {
		method = http.MethodGet
	}
	outgoing.SetMethod(methodOf(method))
	scheme := wasi_http_types.MakeSchemeHttp()
	if request.URL.Scheme == "https" {
		scheme = wasi_http_types.MakeSchemeHttps()
	}
	outgoing.SetScheme(witTypes.Some(scheme))
	host, path := request.URL.Host, request.URL.RequestURI()
	if outgoing.SetAuthority(witTypes.Some(host)).IsErr() ||
		outgoing.SetPathWithQuery(witTypes.Some(path)).IsErr() {
		return nil, fmt.Errorf("%s is no URL that can be requested", request.URL)
	}
	return outgoing, nil
}

func methodOf(name string) wasi_http_types.Method {
	makers := []func() wasi_http_types.Method{
		wasi_http_types.MakeMethodGet, wasi_http_types.MakeMethodHead,
		wasi_http_types.MakeMethodPost, wasi_http_types.MakeMethodPut,
		wasi_http_types.MakeMethodDelete, wasi_http_types.MakeMethodConnect,
		wasi_http_types.MakeMethodOptions, wasi_http_types.MakeMethodTrace,
		wasi_http_types.MakeMethodPatch,
	}
	if index := slices.Index(methods, name); index >= 0 {
		return makers[index]()
	}
	return wasi_http_types.MakeMethodOther(name)
}

// send sends a body. If it cannot be sent, the response or the lack of one says why.
func send(from io.ReadCloser, to *outgoingBody) {
	if from != nil {
		defer from.Close()
		if _, err := io.Copy(to, from); err != nil {
			to.stream.Drop()
			to.body.Drop()
			return
		}
	}
	to.finish()
}

func answer(
	ctx context.Context, future *wasi_http_types.FutureIncomingResponse,
) (*wasi_http_types.IncomingResponse, error) {
	defer future.Drop()
	if err := loop.Wait(ctx, future.Subscribe()); err != nil {
		return nil, err
	}
	answer := future.Get().Some().Ok()
	if answer.IsErr() {
		return nil, errorOf(answer.Err())
	}
	return answer.Ok(), nil
}

// The cases of error-code, in order.
var errorCodes = []string{
	"DNS timeout", "DNS error", "destination not found", "destination unavailable",
	"destination IP prohibited", "destination IP unroutable", "connection refused",
	"connection terminated", "connection timeout", "connection read timeout",
	"connection write timeout", "connection limit reached", "TLS protocol error",
	"TLS certificate error", "TLS alert received", "HTTP request denied",
	"HTTP request length required", "HTTP request body size", "HTTP request method invalid",
	"HTTP request URI invalid", "HTTP request URI too long", "HTTP request header section size",
	"HTTP request header size", "HTTP request trailer section size", "HTTP request trailer size",
	"HTTP response incomplete", "HTTP response header section size", "HTTP response header size",
	"HTTP response body size", "HTTP response trailer section size", "HTTP response trailer size",
	"HTTP response transfer coding", "HTTP response content coding", "HTTP response timeout",
	"HTTP upgrade failed", "HTTP protocol error", "loop detected", "configuration error",
	"internal error",
}

func errorOf(code wasi_http_types.ErrorCode) error {
	name := errorCodes[code.Tag()]
	if code.Tag() == wasi_http_types.ErrorCode_InternalError && code.InternalError().IsSome() {
		name += ": " + code.InternalError().Some()
	}
	return errors.New(name)
}
