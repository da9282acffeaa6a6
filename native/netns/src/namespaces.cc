#include "namespaces.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "errors.h"

namespace {

int open_own(Napi::Env env) {
  int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_errno(env, "open /proc/thread-self/ns/net", errno);
  return fd;
}

void go_home(int home) {
  if (setns(home, CLONE_NEWNET) != 0) {
    perror("culvert: the thread cannot return to its own network namespace, setns");
    abort();
  }
  close(home);
}

Napi::Value namespace_type(const Napi::CallbackInfo& info) {
  int type = ioctl(info[0].As<Napi::Number>().Int32Value(), NS_GET_NSTYPE);
  if (type < 0) throw_errno(info.Env(), "ioctl NS_GET_NSTYPE", errno);
  return Napi::Number::New(info.Env(), type);
}

Napi::Value create_netns(const Napi::CallbackInfo& info) {
  int home = open_own(info.Env());
  if (unshare(CLONE_NEWNET) != 0) {
    int error = errno;
    close(home);
    throw_errno(info.Env(), "unshare CLONE_NEWNET", error);
  }
  int created = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  int error = errno;
  go_home(home);
  if (created < 0) throw_errno(info.Env(), "open /proc/thread-self/ns/net", error);
  return Napi::Number::New(info.Env(), created);
}

Napi::Value with_netns(const Napi::CallbackInfo& info) {
  NamespaceVisit visit(info.Env(), info[0].As<Napi::Number>().Int32Value());
  return info[1].As<Napi::Function>().Call({});
}

Napi::Value duplicate(const Napi::CallbackInfo& info) {
  int least = info[1].IsNumber() ? info[1].As<Napi::Number>().Int32Value() : 0;
  int fd = fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, least);
  if (fd < 0) throw_errno(info.Env(), "fcntl F_DUPFD_CLOEXEC", errno);
  return Napi::Number::New(info.Env(), fd);
}

}  // namespace

NamespaceVisit::NamespaceVisit(Napi::Env env, int netns) : home_(open_own(env)) {
  if (setns(netns, CLONE_NEWNET) != 0) {
    int error = errno;
    close(home_);
    throw_errno(env, "setns", error);
  }
}

NamespaceVisit::~NamespaceVisit() { go_home(home_); }

void init_namespaces(Napi::Env env, Napi::Object exports) {
  exports["namespaceType"] = Napi::Function::New(env, namespace_type);
  exports["createNetns"] = Napi::Function::New(env, create_netns);
  exports["withNetns"] = Napi::Function::New(env, with_netns);
  exports["duplicate"] = Napi::Function::New(env, duplicate);
}
