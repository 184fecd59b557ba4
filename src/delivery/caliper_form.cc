#include "delivery/caliper_form.h"

#include "base/error.h"

namespace millrace::delivery {

Rendered CaliperForm::render(store::RecordBatch const& batch, std::uint32_t index,
                             bool is_test) const {
  millrace::check(renderer != nullptr && (check == CaliperCheck::off || validator != nullptr),
                  "only a node that can render Caliper has streams of it");
  auto const event = batch.events[index];
  auto const& type = batch.events.kinds()[event.kind].kind.type;
  Rendered out;
  auto body = renderer->render(type, event, batch.accepted_at, batch.id_of(index), is_test);
  if (!body) {
    out.refusal = body.error().fault == Fault::missing ? Refusal::no_form : Refusal::incomplete;
    out.finding = std::move(body.error().what);
    return out;
  }
  out.body = std::move(*body);
  out.content_type = "application/json";
  if (check == CaliperCheck::off) return out;
  auto const faults = validator->check(out.body);
  if (faults.empty()) return out;
  out.findings = static_cast<std::uint32_t>(faults.size());
  out.finding = "Caliper: " + faults.front().pointer + ": " + faults.front().rule;
  if (check == CaliperCheck::refuse) out.refusal = Refusal::nonconforming;
  return out;
}

}  // namespace millrace::delivery
