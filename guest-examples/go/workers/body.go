package workers

import (
	"context"
	"errors"
	"io"
	"net/http"

	"taffrail.dev/workers/internal/loop"
	witTypes "taffrail.dev/workers/internal/wit/types"

	"taffrail.dev/workers/internal/wit/imports/wasi_http_types"
	"taffrail.dev/workers/internal/wit/imports/wasi_io_streams"
)

// incomingBody is the body of a message that was received.
type incomingBody struct {
	ctx    context.Context
	body   *wasi_http_types.IncomingBody
	stream *wasi_io_streams.InputStream
}

func newIncomingBody(ctx context.Context, body *wasi_http_types.IncomingBody) *incomingBody {
	return &incomingBody{ctx, body, body.Stream().Ok()}
}

// The largest piece of a body that is read at a time.
const maxPiece = 32 << 10

func (b *incomingBody) Read(buffer []byte) (int, error) {
	if b.stream == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	for len(buffer) > 0 {
		read := b.stream.Read(uint64(min(len(buffer), maxPiece)))
		if read.IsErr() {
			return 0, streamError(read.Err(), io.EOF)
		}
		if piece := read.Ok(); len(piece) > 0 {
			return copy(buffer, piece), nil
		}
		if err := loop.Wait(b.ctx, b.stream.Subscribe()); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (b *incomingBody) Close() error {
	if b.stream != nil {
		b.stream.Drop()
		b.body.Drop()
		b.stream = nil
	}
	return nil
}

// outgoingBody is the body of a message that is sent.
type outgoingBody struct {
	body   *wasi_http_types.OutgoingBody
	stream *wasi_io_streams.OutputStream
}

func newOutgoingBody(body *wasi_http_types.OutgoingBody) *outgoingBody {
	return &outgoingBody{body, body.Write().Ok()}
}

func (b *outgoingBody) Write(bytes []byte) (int, error) {
	written := 0
	for written < len(bytes) {
		room := b.stream.CheckWrite()
		if room.IsErr() {
			return written, streamError(room.Err(), io.ErrClosedPipe)
		}
		if room.Ok() == 0 {
			if err := loop.Wait(context.Background(), b.stream.Subscribe()); err != nil {
				return written, err
			}
			continue
		}
		end := min(len(bytes), written+int(min(room.Ok(), 1<<20)))
		if sent := b.stream.Write(bytes[written:end]); sent.IsErr() {
			return written, streamError(sent.Err(), io.ErrClosedPipe)
		}
		written = end
	}
	return written, nil
}

// finish ends the body. Without it, the message breaks off.
func (b *outgoingBody) finish() {
	b.stream.Drop()
	wasi_http_types.OutgoingBodyFinish(b.body, witTypes.None[*wasi_http_types.Fields]())
}

// streamError returns the error of a stream, or another one if the stream is closed.
func streamError(err wasi_io_streams.StreamError, closed error) error {
	if err.Tag() == wasi_io_streams.StreamError_Closed {
		return closed
	}
	reason := err.LastOperationFailed()
	defer reason.Drop()
	text := reason.ToDebugString()
	return errors.New(text)
}

func header(fields *wasi_http_types.Fields) http.Header {
	entries := fields.Entries()
	fields.Drop()
	header := make(http.Header)
	for _, entry := range entries {
		header.Add(entry.F0, string(entry.F1))
	}
	return header
}

func fields(header http.Header) (*wasi_http_types.Fields, error) {
	var entries []witTypes.Tuple2[string, []byte]
	for name, values := range header {
		for _, value := range values {
			entries = append(entries, witTypes.Tuple2[string, []byte]{F0: name, F1: []byte(value)})
		}
	}
	fields := wasi_http_types.FieldsFromList(entries)
	if fields.IsErr() {
		return nil, errors.New("a header has a name or a value that HTTP forbids")
	}
	return fields.Ok(), nil
}
