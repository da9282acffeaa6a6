#include "errors.h"

#include <uv.h>

#include <string>

void throw_errno(Napi::Env env, const char* syscall, int error) {
  char name[64], reason[256];
  uv_err_name_r(uv_translate_sys_error(error), name, sizeof name);
  uv_strerror_r(uv_translate_sys_error(error), reason, sizeof reason);
  Napi::Error thrown = Napi::Error::New(env, std::string(name) + ": " + reason + ", " + syscall);
  thrown.Value()["code"] = Napi::String::New(env, name);
  thrown.Value()["errno"] = Napi::Number::New(env, -error);
  thrown.Value()["syscall"] = Napi::String::New(env, syscall);
  throw thrown;
}
