// Exceptions of C++. No handler can catch one: the compiler's libraries for WebAssembly have
// no unwinding. So each is uncaught, and is recorded with its class and what it says.

#include <cxxabi.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <typeinfo>

#include "private_typeinfo.h"
#include "workers.h"

// What the libraries say in place of `throw`, between a class and a message in quotes.
static constexpr char THROWN[] = " was thrown in -fno-exceptions mode";
static constexpr char SAYS[] = " message \"";

// Allocates nothing, since there may be no memory.
[[noreturn]] static void worker_fail_as(const char *format, va_list arguments) {
  char said[1024], name[1024];
  vsnprintf(said, sizeof said, format, arguments);
  char *end = strstr(said, THROWN);
  if (!end) worker_fail("abort", "%s", said);
  char *says = strstr(end, SAYS);
  *end = 0;
  snprintf(name, sizeof name, "std::%s", said);
  if (!says) worker_fail(name, "%s", "");
  char *message = says + sizeof SAYS - 1;
  if (char *quote = strrchr(message, '"')) *quote = 0;
  worker_fail(name, "%s", message);
}

void std::__libcpp_verbose_abort(const char *format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  worker_fail_as(format, arguments);
}

extern "C" {

void __abort_message(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  worker_fail_as(format, arguments);
}

void *__cxa_allocate_exception(size_t size) noexcept {
  void *exception = malloc(size);
  if (!exception) worker_fail("std::bad_alloc", "std::bad_alloc");
  return exception;
}

void __cxa_free_exception(void *exception) noexcept {
  free(exception);
}

void __cxa_throw(void *thrown, std::type_info *type, void *(*)(void *)) {
  using abi::__shim_type_info;
  const char *name = abi::__cxa_demangle(type->name(), nullptr, nullptr, nullptr);
  const char *message = "";
  if (*type == typeid(const char *)) message = *static_cast<const char **>(thrown);
  auto base = reinterpret_cast<const __shim_type_info *>(&typeid(std::exception));
  if (base->can_catch(static_cast<const __shim_type_info *>(type), thrown))
    message = static_cast<std::exception *>(thrown)->what();
  worker_fail(name ? name : type->name(), "%s", message);
}

void __cxa_rethrow() {
  worker_fail("std::terminate", "`throw` without an exception");
}
}
