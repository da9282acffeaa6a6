#pragma once
#include <napi.h>

#include "../engine/limits.h"
#include "../engine/tls-credential.h"
#include "../engine/values.h"

// Settings and decisions from the objects of index.d.ts. The adapter made them, so a missing key is a mistake of ours
// and throws as JavaScript would.
culvert::Limits limits(Napi::Object object);
culvert::PodSettings pod_settings(Napi::Object object);
culvert::Decision decision(Napi::Object object);

using SharedCredential = std::shared_ptr<const culvert::TlsCredential>;
// null when the value is undefined.
SharedCredential credential(Napi::Value value);
