// From a stored event to the bytes that a receiver gets. Signing costs a third of a millisecond, so a signature is made once for
// each (event, key) and kept in a bounded cache; whoever asks for one that is being made waits for that one.
//   Threads  Any loop may call; signing happens on threads of its own.
//   Memory   The cache holds at most `bytes` of bodies; the least recently used goes first. Unsigned bodies are not cached: copying
//            is cheaper than looking up.
#pragma once
#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/meters.h"
#include "crypto/key_ring.h"
#include "delivery/caliper_form.h"
#include "delivery/transport.h"
#include "io/clock.h"
#include "io/shared.h"
#include "io/task.h"
#include "io/worker.h"
#include "model/data_stream.h"
#include "store/store.h"

namespace millrace::delivery {

using SharedRendered = std::shared_ptr<Rendered const>;

// What of a stream decides the bytes.
struct RenderRules {
  model::Format format = model::Format::canvas;
  bool sign = false;
  model::SignedBody signed_body = model::SignedBody::raw;
  bool test = false;  // it says that it is one, in its own format
};
RenderRules rules_of(model::DataStream const& stream);

// 8 bytes of SHA-256 of what was sent. Rendered::payload_hash stays empty: only a failed try needs it.
std::string payload_hash(Rendered const& rendered);

struct RendererSettings {
  std::string issuer;
  std::size_t bytes = 64 * 1024 * 1024;
  std::size_t threads = 1;  // that sign; 0: the caller's own (simulations)
};

class Renderer {
 public:
  Renderer(io::Shared<crypto::KeyRing> const& keys, io::Clock& clock, RendererSettings settings,
           CaliperForm caliper = {});
  ~Renderer();

  bool knows(model::Format format) const {
    return format == model::Format::canvas || caliper_.renderer != nullptr;
  }
  // False: events of this type are not sent to such a stream.
  bool has_form(RenderRules rules, std::string_view event_type) const {
    return rules.format == model::Format::canvas || caliper_.has_form(event_type);
  }
  // What needs no signature to be made; else null. It may be a refusal.
  SharedRendered at_once(RenderRules rules, store::RecordBatch const& batch, std::uint32_t index);
  // Not cancellable: the signature always ends first.
  io::Task<SharedRendered> render(RenderRules rules, store::SharedBatch batch, std::uint32_t index);

  Counter const& signatures() const { return signatures_; }

 private:
  struct Key {
    EventId event;
    std::string kid;
    model::Format format = model::Format::canvas;
    bool test = false;
    friend bool operator==(Key const&, Key const&) = default;
  };
  struct KeyHash {
    std::size_t operator()(Key const& key) const noexcept {
      return std::hash<EventId>()(key.event) ^ std::hash<std::string>()(key.kid) ^
             static_cast<std::size_t>(key.format);
    }
  };
  struct Slot {
    SharedRendered rendered;  // null while it is being signed
    std::vector<io::Resolver<SharedRendered>> waiting;
    std::list<Key>::iterator used;  // of those that are rendered
  };
  struct Cache {
    std::unordered_map<Key, Slot, KeyHash> slots;
    std::list<Key> used;  // most recently first
    std::size_t bytes = 0;
  };

  void request(Key key, store::SharedBatch batch, std::uint32_t index,
               std::shared_ptr<crypto::KeyRing const> ring, io::Resolver<SharedRendered> done);
  void sign(Key const& key, store::RecordBatch const& batch, std::uint32_t index,
            crypto::SigningKey const& signing_key);
  SharedRendered cached(Key const& key);
  Rendered plain(model::Format format, store::RecordBatch const& batch, std::uint32_t index,
                 bool test) const;

  io::Shared<crypto::KeyRing> const& keys_;
  io::Clock& clock_;
  RendererSettings settings_;
  CaliperForm caliper_;
  io::Locked<Cache> cache_;
  Counter signatures_;
  std::atomic<std::size_t> next_worker_{0};
  std::vector<std::unique_ptr<io::Worker>> workers_;  // last: their jobs use all of the above
};

}  // namespace millrace::delivery
