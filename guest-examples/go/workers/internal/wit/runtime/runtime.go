// Package runtime has the memory and the handles of the bindings.
package runtime

import (
	"runtime"
	"unsafe"
)

// Handle is a resource of the host. It is 0 once it has been given away.
type Handle struct {
	value int32
}

// MakeHandle returns the handle of a resource.
func MakeHandle(value int32) *Handle {
	return &Handle{value}
}

// Use returns the handle to lend it.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("the resource is closed")
	}
	return h.value
}

// Take returns the handle to give it away.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// TakeOrNil does the same, and returns 0 if it was given away before.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}

// Set fills an empty handle.
func (h *Handle) Set(value int32) {
	h.value = value
}

// Allocate returns memory for an argument or a result, for as long as it is pinned. The host may
// call realloc until then.
func Allocate(pinner *Pinner, size, _ uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	memory := allocate(size)
	pinner.Pin(memory)
	refill()
	pauseClock(true)
	return memory
}

func refill() {
	if len(reserve) < reserved {
		reserve = make([]uint64, 2*reserved)
	}
}

// allocate returns memory with the largest alignment that a WIT type has.
func allocate(size uintptr) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
}

// The memory for what the host allocates during a call. A garbage collection asks for the time of
// day, which is not allowed then, so it is made before the call.
var reserve []uint64

// reserved is the size of the reserve in words.
const reserved = 8 << 10

// lost is the number of bytes that were allocated beyond the reserve. Go does not free them.
var lost uintptr

// End prepares for the next event. It returns how many bytes are lost.
func End() uintptr {
	refill()
	return lost
}

// Unpin ends a call.
func Unpin() {
	pauseClock(false)
}

// started is true once Go can allocate memory. The adapter for WASI preview 1 does so before.
var started = false

func init() {
	started = true
}

//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

// The scheduler and the garbage collector ask for the time, and realloc must not call the host. The
// adapter gives an earlier time while the clock is paused.
//
//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func pauseClock(paused bool)

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil {
		panic("memory of the host cannot grow")
	}
	words := int(size+7) / 8
	if !started || words > len(reserve) {
		lost += size
		memory := sbrk(size + align)
		return unsafe.Add(memory, -uintptr(memory)&(align-1))
	}
	if size == 0 {
		return unsafe.Pointer(align)
	}
	memory := unsafe.Pointer(unsafe.SliceData(reserve))
	reserve = reserve[words:]
	return memory
}

// Pinner keeps what one call needs.
type Pinner struct {
	pinner runtime.Pinner
}

// Pin keeps an argument.
func (p *Pinner) Pin(pointer any) {
	p.pinner.Pin(pointer)
}

// Unpin lets go of everything after the call.
func (p *Pinner) Unpin() {
	p.pinner.Unpin()
	Unpin()
}

// AddCleanup does nothing: resources are closed by those who use them, children first, and the
// garbage collector knows no order.
func AddCleanup[T any](*T, func(int), int) {}
