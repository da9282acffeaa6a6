#pragma once
#include <napi.h>

void init_poll(Napi::Env env, Napi::Object exports);
