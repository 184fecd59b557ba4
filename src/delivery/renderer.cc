#include "delivery/renderer.h"

#include "crypto/digest.h"
#include "crypto/jwt.h"
#include "formats/canvas.h"

namespace millrace::delivery {
namespace {

// Beside its body: the slot, the list's node, the key twice.
constexpr std::size_t slot_bytes = 400;

// The raw JWT as the stream wants it. The signature is shared, the clothes are not.
SharedRendered dressed(SharedRendered raw, model::SignedBody as) {
  if (as == model::SignedBody::raw || raw->refusal != Refusal::none) return raw;
  auto own = std::make_shared<Rendered>();
  own->kid = raw->kid;
  own->findings = raw->findings;
  own->finding = raw->finding;
  if (as == model::SignedBody::jwt) {
    own->body = raw->body;
    own->content_type = "application/jwt";
  } else {
    own->body.reserve(raw->body.size() + 2);
    own->body.append("\"").append(raw->body).append("\"");
    own->content_type = raw->content_type;
  }
  return own;
}

}  // namespace

RenderRules rules_of(model::DataStream const& stream) {
  return {stream.format, stream.delivery.sign_payload, stream.delivery.signed_body};
}

std::string payload_hash(Rendered const& rendered) {
  return crypto::sha256(rendered.body).substr(0, 8);
}

Renderer::Renderer(io::Shared<crypto::KeyRing> const& keys, io::Clock& clock,
                   RendererSettings settings, CaliperForm caliper)
    : keys_(keys), clock_(clock), settings_(std::move(settings)), caliper_(caliper) {
  for (std::size_t i = 0; i < settings_.threads; ++i)
    workers_.push_back(io::thread_worker("sign-" + std::to_string(i), 5));
  if (workers_.empty()) workers_.push_back(io::inline_worker());
}

Renderer::~Renderer() { workers_.clear(); }

SharedRendered Renderer::at_once(RenderRules rules, store::RecordBatch const& batch,
                                 std::uint32_t index) {
  if (rules.sign) {
    auto const ring = keys_.get();
    auto const& key = ring->key_for(batch.accepted_at, clock_.wall());
    auto raw = cached({batch.id_of(index), key.kid, rules.format, rules.test});
    return raw ? dressed(std::move(raw), rules.signed_body) : nullptr;
  }
  return std::make_shared<Rendered>(plain(rules.format, batch, index, rules.test));
}

Rendered Renderer::plain(model::Format format, store::RecordBatch const& batch, std::uint32_t index,
                         bool test) const {
  if (format == model::Format::caliper) return caliper_.render(batch, index, test);
  Rendered rendered;
  rendered.body = formats::canvas(batch.events[index]);
  rendered.content_type = "application/json";
  return rendered;
}

io::Task<SharedRendered> Renderer::render(RenderRules rules, store::SharedBatch batch,
                                          std::uint32_t index) {
  auto now = at_once(rules, *batch, index);
  if (now) co_return now;
  auto ring = keys_.get();
  Key key{batch->id_of(index), ring->key_for(batch->accepted_at, clock_.wall()).kid, rules.format,
          rules.test};
  auto raw = co_await io::answer<SharedRendered>(
      [this, key = std::move(key), batch = std::move(batch), index,
       ring = std::move(ring)](io::Resolver<SharedRendered> done) mutable {
        request(std::move(key), std::move(batch), index, std::move(ring), std::move(done));
      });
  co_return dressed(std::move(raw), rules.signed_body);
}

SharedRendered Renderer::cached(Key const& key) {
  return cache_.with([&](Cache& cache) -> SharedRendered {
    auto const found = cache.slots.find(key);
    if (found == cache.slots.end() || !found->second.rendered) return nullptr;
    cache.used.splice(cache.used.begin(), cache.used, found->second.used);
    return found->second.rendered;
  });
}

void Renderer::request(Key key, store::SharedBatch batch, std::uint32_t index,
                       std::shared_ptr<crypto::KeyRing const> ring,
                       io::Resolver<SharedRendered> done) {
  bool const first = cache_.with([&](Cache& cache) {
    auto const [slot, fresh] = cache.slots.try_emplace(key);
    if (slot->second.rendered) {
      done(slot->second.rendered);
    } else {
      slot->second.waiting.push_back(std::move(done));
    }
    return fresh;
  });
  if (!first) return;
  auto& worker = *workers_[next_worker_.fetch_add(1, std::memory_order_relaxed) % workers_.size()];
  worker.post(
      [this, key = std::move(key), batch = std::move(batch), index, ring = std::move(ring)] {
        auto const* signing = ring->find(key.kid);
        check(signing != nullptr, "the key that was chosen is in its ring");
        sign(key, *batch, index, signing->key);
      });
}

void Renderer::sign(Key const& key, store::RecordBatch const& batch, std::uint32_t index,
                    crypto::SigningKey const& signing_key) {
  auto fresh = std::make_shared<Rendered>(plain(key.format, batch, index, key.test));
  if (fresh->refusal == Refusal::none) {
    auto const claims =
        formats::claims(fresh->body, settings_.issuer, batch.accepted_at, key.event);
    fresh->body = crypto::sign_jwt(claims, key.kid, signing_key);
    fresh->content_type = "text/plain; charset=utf-8";
    fresh->kid = key.kid;
    signatures_.add();
  }
  SharedRendered const rendered = std::move(fresh);

  auto waiting = cache_.with([&](Cache& cache) {
    auto& slot = cache.slots.at(key);
    slot.rendered = rendered;
    cache.used.push_front(key);
    slot.used = cache.used.begin();
    cache.bytes += rendered->body.size() + slot_bytes;
    auto ready = std::move(slot.waiting);
    while (cache.bytes > settings_.bytes && !cache.used.empty()) {
      auto const oldest = cache.slots.find(cache.used.back());
      cache.bytes -= oldest->second.rendered->body.size() + slot_bytes;
      cache.slots.erase(oldest);
      cache.used.pop_back();
    }
    return ready;
  });
  for (auto& one : waiting) one(rendered);
}

}  // namespace millrace::delivery
