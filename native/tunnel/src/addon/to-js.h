#pragma once
#include <napi.h>

#include "../engine/engine.h"

// Events and addresses as the objects of index.d.ts.
Napi::Object to_js(Napi::Env env, const culvert::Endpoint& endpoint);
Napi::Object to_js(Napi::Env env, const culvert::Event& event);
