package workers

import (
	"fmt"

	witTypes "taffrail.dev/workers/internal/wit/types"

	"taffrail.dev/workers/internal/wit/imports/wasi_keyvalue_store"
)

// KV is the name of a KV namespace in the Worker's configuration.
type KV string

// Get returns the value of a key, or nil if there is none.
func (kv KV) Get(key string) ([]byte, error) {
	bucket, err := kv.open()
	if err != nil {
		return nil, err
	}
	defer bucket.Drop()
	value, err := checked(kv, bucket.Get(key))
	return value.SomeOr(nil), err
}

// Put sets the value of a key.
func (kv KV) Put(key string, value []byte) error {
	bucket, err := kv.open()
	if err != nil {
		return err
	}
	defer bucket.Drop()
	_, err = checked(kv, bucket.Set(key, value))
	return err
}

// Delete removes a key.
func (kv KV) Delete(key string) error {
	bucket, err := kv.open()
	if err != nil {
		return err
	}
	defer bucket.Drop()
	_, err = checked(kv, bucket.Delete(key))
	return err
}

// List returns all keys.
func (kv KV) List() ([]string, error) {
	bucket, err := kv.open()
	if err != nil {
		return nil, err
	}
	defer bucket.Drop()
	var keys []string
	cursor := witTypes.None[string]()
	for {
		page, err := checked(kv, bucket.ListKeys(cursor))
		keys = append(keys, page.Keys...)
		if err != nil || !page.Cursor.IsSome() {
			return keys, err
		}
		cursor = page.Cursor
	}
}

func (kv KV) open() (*wasi_keyvalue_store.Bucket, error) {
	return checked(kv, wasi_keyvalue_store.Open(string(kv)))
}

func checked[T any](kv KV, result witTypes.Result[T, wasi_keyvalue_store.Error]) (T, error) {
	if !result.IsErr() {
		return result.Ok(), nil
	}
	reason := "access denied"
	switch err := result.Err(); err.Tag() {
	case wasi_keyvalue_store.Error_NoSuchStore:
		reason = "there is no such KV namespace"
	case wasi_keyvalue_store.Error_Other:
		reason = err.Other()
	}
	var none T
	return none, fmt.Errorf("%s: %s", string(kv), reason)
}
