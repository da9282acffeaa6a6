#include "messages.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "errors.h"

namespace {

constexpr size_t max_fds = 253;         // SCM_MAX_FD: the kernel sends no more in one message
constexpr size_t max_bytes = 1 << 20;  // no protocol of ours comes near this

// Descriptors that arrived but were not handed over yet: closed when anything goes wrong on the way to JavaScript.
class Arrived {
 public:
  ~Arrived() {
    for (int fd : fds) close(fd);
  }
  std::vector<int> fds;
};

Napi::Value send_message(const Napi::CallbackInfo& info) {
  auto bytes = info[1].As<Napi::Uint8Array>();
  auto list = info[2].As<Napi::Array>();
  size_t count = list.Length();
  if (count > max_fds) throw_errno(info.Env(), "sendmsg", EINVAL);
  iovec part{bytes.Data(), bytes.ByteLength()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  // CMSG_FIRSTHDR reads a cmsghdr from here: the vector's memory is aligned for any type.
  std::vector<char> control(count == 0 ? 0 : CMSG_SPACE(count * sizeof(int)));
  if (count > 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++) {
      int fd = Napi::Value(list[i]).As<Napi::Number>().Int32Value();
      memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof fd);
    }
  }
  ssize_t sent;
  do {
    sent = sendmsg(info[0].As<Napi::Number>().Int32Value(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno == EAGAIN) return Napi::Boolean::New(info.Env(), false);
  if (sent < 0) throw_errno(info.Env(), "sendmsg", errno);
  return Napi::Boolean::New(info.Env(), true);
}

Napi::Value receive_message(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  size_t room = std::min<size_t>(info[1].As<Napi::Number>().Uint32Value(), max_bytes);
  size_t fd_room = std::min<size_t>(info[2].As<Napi::Number>().Uint32Value(), max_fds);
  std::vector<uint8_t> data(room);
  std::vector<char> control(fd_room == 0 ? 0 : CMSG_SPACE(fd_room * sizeof(int)));
  iovec part{data.data(), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.empty() ? nullptr : control.data();
  message.msg_controllen = control.size();
  ssize_t size;
  do {
    size = recvmsg(info[0].As<Napi::Number>().Int32Value(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return env.Undefined();
  if (size < 0) throw_errno(env, "recvmsg", errno);

  // Before anything that can throw: what arrived has an owner.
  Arrived arrived;
  bool had_control = false;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    had_control = true;
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
      arrived.fds.push_back(fd);
    }
  }

  Napi::Object result = Napi::Object::New(env);
  Napi::Array fds = Napi::Array::New(env, arrived.fds.size());
  for (uint32_t i = 0; i < arrived.fds.size(); i++) fds[i] = Napi::Number::New(env, arrived.fds[i]);
  result["bytes"] = Napi::Buffer<uint8_t>::Copy(env, data.data(), static_cast<size_t>(size));
  result["fds"] = fds;
  result["truncated"] = Napi::Boolean::New(env, (message.msg_flags & MSG_TRUNC) != 0);
  result["controlTruncated"] = Napi::Boolean::New(env, (message.msg_flags & MSG_CTRUNC) != 0);
  result["hadControl"] = Napi::Boolean::New(env, had_control);
  arrived.fds.clear();
  return result;
}

}  // namespace

void init_messages(Napi::Env env, Napi::Object exports) {
  exports["sendMessage"] = Napi::Function::New(env, send_message);
  exports["receiveMessage"] = Napi::Function::New(env, receive_message);
}
