#pragma once
#include <optional>
#include <string>

#include "frame-output.h"

namespace culvert {

class Direction;
class SplicePipe;

// One end of a proxied connection, with the meaning of its ways to end (docs/spec/hbone.md 1.6). A side is the source
// of one direction and the sink of the other.
class Side {
 public:
  virtual ~Side() = default;

  Direction* outward = nullptr;  // copies from this side
  Direction* inward = nullptr;   // copies to this side

  // As a source. `resume`: the sink has room again, or hears nothing any more and wants to know whether data is left.
  virtual void resume() = 0;
  // The sink passed on so many of the bytes that were delivered.
  virtual void credit(size_t count) = 0;
  // So many of them are nobody's: no credit, so that the peer feels a sink that is gone (docs/spec/hbone.md 1.6), but
  // they do not stand in the way of others.
  virtual void discard(size_t count) = 0;
  // Its peer sends no more than it has credit for.
  virtual bool waits_for_credit() const { return false; }

  // As a sink. Places for at most `most` bytes, filled and then committed, if only with 0; none: the direction's
  // `sink_writable` will be called.
  virtual void reserve(size_t most, Pieces& places) = 0;
  virtual void commit(size_t count) = 0;
  // How much of it was passed on.
  virtual size_t write(const Pieces& bytes) = 0;
  // Takes what a pipe holds, as much as goes; only a socket does.
  virtual bool takes_pipes() const { return false; }
  virtual void write(SplicePipe&) {}
  // Half-close; everything was written.
  virtual void end() = 0;
  // Takes nothing any more.
  virtual bool closed() const = 0;
  // After it closed with nothing but the end of data left to send: what to record, if anything.
  virtual std::optional<std::string> shutdown_failure() const = 0;

  // Drops what is still open: a socket is closed, a stream is reset while its tunnel stays.
  virtual void abandon() = 0;
};

}  // namespace culvert
