#pragma once
#include <napi.h>

void init_sockets(Napi::Env env, Napi::Object exports);
