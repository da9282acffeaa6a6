#pragma once
#include <napi.h>

// A namespace belongs to a thread, so entering and leaving are one synchronous block: the destructor brings the thread
// back, also when a JavaScript exception unwinds through it, and ends the process if the kernel will not have it back.
class NamespaceVisit {
 public:
  NamespaceVisit(Napi::Env env, int netns);
  ~NamespaceVisit();
  NamespaceVisit(const NamespaceVisit&) = delete;
  NamespaceVisit& operator=(const NamespaceVisit&) = delete;

 private:
  int home_;
};

void init_namespaces(Napi::Env env, Napi::Object exports);
