#pragma once
#include <napi.h>

// An Error with `code` = errno name and `syscall`, as Node's own system errors have them.
[[noreturn]] void throw_errno(Napi::Env env, const char* syscall, int error);
