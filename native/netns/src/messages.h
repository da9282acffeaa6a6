#pragma once
#include <napi.h>

void init_messages(Napi::Env env, Napi::Object exports);
