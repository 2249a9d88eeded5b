// Exceptions of C++. No handler can catch one: the compiler's libraries for WebAssembly have
// no unwinding. So each is uncaught, and is recorded with its class and what it says.

#include <cxxabi.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <typeinfo>

#include "private_typeinfo.h"
#include "workers.h"

// What the libraries say in place of `throw`, between a class and a message.
static const std::string THROWN = " was thrown in -fno-exceptions mode";
static const std::string SAYS = " message \"";

[[noreturn]] static void worker_fail_as(const char *format, va_list arguments) {
  char said[1024];
  vsnprintf(said, sizeof said, format, arguments);
  std::string text = said;
  size_t end = text.find(THROWN);
  if (end == std::string::npos) worker_fail("abort", "%s", said);
  std::string name = "std::" + text.substr(0, end);
  size_t message = text.find(SAYS);
  text = message == std::string::npos ? "" : text.substr(message + SAYS.size());
  if (!text.empty()) text.pop_back();
  worker_fail(name.c_str(), "%s", text.c_str());
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
