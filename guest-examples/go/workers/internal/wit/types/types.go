// Package wit_types has the types of WIT that Go lacks, as the bindings use them.
package wit_types

// Unit is the type of nothing.
type Unit struct{}

// Tuple2 is a tuple of two values.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

const (
	OptionNone = iota
	OptionSome
)

// Option is a value that may be absent.
type Option[T any] struct {
	some  bool
	value T
}

// None returns an absent value.
func None[T any]() Option[T] {
	return Option[T]{}
}

// Some returns a present value.
func Some[T any](value T) Option[T] {
	return Option[T]{some: true, value: value}
}

// Tag returns the case of the option.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// Some returns the value, which must be present.
func (o Option[T]) Some() T {
	if !o.some {
		panic("the option is none")
	}
	return o.value
}

// IsSome returns whether the value is present.
func (o Option[T]) IsSome() bool {
	return o.some
}

// SomeOr returns the value, or another one if it is absent.
func (o Option[T]) SomeOr(other T) T {
	if o.some {
		return o.value
	}
	return other
}

const (
	ResultOk = iota
	ResultErr
)

// Result is a value or an error.
type Result[T, E any] struct {
	failed bool
	value  T
	err    E
}

// Ok returns a result that is a value.
func Ok[T, E any](value T) Result[T, E] {
	return Result[T, E]{value: value}
}

// Err returns a result that is an error.
func Err[T, E any](err E) Result[T, E] {
	return Result[T, E]{failed: true, err: err}
}

// Tag returns the case of the result.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// IsErr returns whether it is an error.
func (r Result[T, E]) IsErr() bool {
	return r.failed
}

// Ok returns the value of a result that is no error.
func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("the result is an error")
	}
	return r.value
}

// Err returns the error of a result that is one.
func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("the result is no error")
	}
	return r.err
}
