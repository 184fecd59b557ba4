#include "formats/caliper.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <span>
#include <vector>

#include "formats/caliper_grammar.h"
#include "formats/caliper_plan.h"
#include "formats/text_writer.h"
#include "json/members.h"
#include "json/reader.h"

namespace millrace::formats {
namespace {

constexpr std::string_view context_url = R"("http://purl.imsglobal.org/ctx/caliper/v1p1")";
constexpr std::string_view course_urn = "urn:instructure:canvas:course:";
constexpr std::string_view user_urn = "urn:instructure:canvas:user:";
constexpr std::string_view no_host = "www.canvaslms.com";  // of events born in a job

bool is_text(std::string_view raw) { return raw.size() >= 2 && raw.front() == '"'; }
bool is_number(std::string_view raw) {
  return !raw.empty() && (raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9'));
}
// What stands between the quotes, still escaped: it goes into another JSON string. Numbers as they are; of anything else nothing.
std::string_view inside(std::string_view raw) {
  if (is_text(raw)) return raw.substr(1, raw.size() - 2);
  return is_number(raw) ? raw : std::string_view();
}

// What stands between the quotes, unescaped. `buffer` is used only where something is escaped.
std::string_view decoded(std::string_view raw, std::string& buffer) {
  auto const text = inside(raw);
  if (text.find('\\') == text.npos) return text;
  auto const parsed = json::parse(raw);
  if (!parsed || !parsed->is_string()) return {};
  buffer = std::string(parsed->get_string());
  return buffer;
}
// inside(), of what may stand in the path of an IRI; else nothing.
std::string_view iri_part(std::string_view raw) {
  std::string buffer;
  return is_iri_part(decoded(raw, buffer)) ? inside(raw) : std::string_view();
}
bool is_iri_text(std::string_view raw) {
  std::string buffer;
  return is_text(raw) && is_iri(decoded(raw, buffer));
}
// A whole number, as digits or with a fraction of zeros.
bool is_integer(std::string_view raw) {
  auto const point = raw.find('.');
  auto const digits = raw.substr(raw.starts_with('-') ? 1 : 0, point);
  return is_number(raw) && raw.find_first_of("eE") == raw.npos &&
         digits.find_first_not_of("0123456789.") == digits.npos &&
         (point == raw.npos || raw.find_first_not_of('0', point + 1) == raw.npos);
}

class Rendering {
 public:
  Rendering(Plan const& plan, std::span<std::string_view const> slots, bool is_test)
      : plan_(plan), slots_(slots), is_test_(is_test) {
    user_ = iri_part(at(user_id));
    if (user_.empty() && plan.actor_otherwise != SlotTable::none) {
      user_ = iri_part(at(plan.actor_otherwise));
      fallback_ = true;
    }
    host_ = inside(at(hostname));
    if (!is_host(host_)) host_ = no_host;
    bool const own = !at(body_context_type).empty() && !at(body_context_id).empty();
    if (inside(at(own ? body_context_type : context_type)) == "Course")
      course_ = iri_part(at(own ? body_context_id : context_id));
    auto const role = inside(at(context_role));
    if (role == "StudentEnrollment") role_ = "Learner";
    if (role == "TeacherEnrollment") role_ = "Instructor";
  }

  bool envelope(TextWriter& out, WallTime accepted_at, EventId id) {
    out += R"({"sensor":)";
    sensor(out);
    out.append(R"(,"sendTime":")")
        .append_time(accepted_at)
        .append(R"(","dataVersion":)")
        .append(context_url);
    out.append(R"(,"data":[{"@context":)")
        .append(context_url)
        .append(R"(,"id":"urn:uuid:)")
        .append_uuid(id.uuid);
    out.append(R"(","type":)").append(plan_.type).append(R"(,"actor":)");
    actor(out);
    out.append(R"(,"action":)").append(plan_.action).append(R"(,"object":)");
    if (!render(plan_.object, out)) return false;
    out += R"(,"eventTime":)";
    if (!time(at(event_time), out)) out.append("\"").append_time(accepted_at).append("\"");
    if (plan_.has_generated)
      member(out, R"(,"generated":)", [&] { return render(plan_.generated, out); });
    if (is_iri_text(at(referrer))) out.append(R"(,"referrer":)").append(at(referrer));
    out += R"(,"edApp":{"id":)";
    sensor(out);
    out += R"(,"type":"SoftwareApplication"})";
    group_and_membership(out);
    if (auto const session = iri_part(at(session_id)); !session.empty())
      out.append(R"(,"session":{"id":"urn:instructure:canvas:session:)")
          .append(session)
          .append(R"(","type":"Session"})");
    extensions(out);
    out += "}]}";
    return true;
  }

 private:
  std::string_view at(std::uint16_t slot) const { return slots_[slot]; }

  void sensor(TextWriter& out) const { out.append("\"http://").append(host_).append("/\""); }

  // Appends `before` and what `write` gives, or nothing.
  template <class Write>
  static bool member(TextWriter& out, std::string_view before, Write write) {
    auto const size = out.size();
    out += before;
    if (write()) return true;
    out.cut(size);
    return false;
  }

  void bare_actor(TextWriter& out) const {
    out += R"({"id":)";
    if (user_.empty()) {
      sensor(out);
      out += R"(,"type":"SoftwareApplication"})";
    } else {
      out.append("\"").append(user_urn).append(user_).append(R"(","type":"Person"})");
    }
  }

  void actor(TextWriter& out) const {
    bare_actor(out);
    if (user_.empty() || plan_.bare_actor) return;
    out.back() = ',';
    out += R"("extensions":{"com.instructure.canvas":{)";
    if (!fallback_) {
      listed(out, R"("user_login":)", user_login);
      listed_id(out, R"("user_sis_id":)", user_sis_id);
    }
    listed_id(out, R"("root_account_id":)", root_account_id);
    listed(out, R"("root_account_lti_guid":)", root_account_lti_guid);
    listed(out, R"("root_account_uuid":)", root_account_uuid);
    out.append(R"("entity_id":")").append(user_).append("\",");
    if (!fallback_) listed_id(out, R"("real_user_id":)", real_user_id);
    out.back() = '}';
    out += "}}";
  }
  void listed(TextWriter& out, std::string_view key, std::uint16_t slot) const {
    if (!at(slot).empty()) out.append(key).append(at(slot)).append(",");
  }
  void listed_id(TextWriter& out, std::string_view key, std::uint16_t slot) const {
    if (at(slot).empty()) return;
    out += key;
    identifier(at(slot), out);
    out += ',';
  }

  void extensions(TextWriter& out) const {
    out += is_test_ ? R"(,"extensions":{"test":true,"com.instructure.canvas":{)"
                    : R"(,"extensions":{"com.instructure.canvas":{)";
    listed(out, R"("hostname":)", hostname);
    listed_id(out, R"("request_id":)", request_id);
    listed(out, R"("user_agent":)", user_agent);
    listed(out, R"("client_ip":)", client_ip);
    listed(out, R"("request_url":)", url);
    listed_id(out, R"("job_id":)", job_id);
    listed(out, R"("job_tag":)", job_tag);
    out += R"("version":"1.0.0"}})";
  }

  // A group only where the context is a course; a membership only of a person in a group.
  void group_and_membership(TextWriter& out) const {
    if (plan_.group == GroupRule::none) return;
    auto const section = iri_part(at(body_course_section_id));
    auto const section_course = iri_part(at(body_course_id));
    if (course_.empty()) {
      if (plan_.membership_otherwise == SlotTable::none) return;
      auto const course = iri_part(at(plan_.membership_otherwise));
      if (!course.empty()) membership(out, course, {});
      return;
    }
    bool const in_section =
        plan_.group == GroupRule::section && !section.empty() && !section_course.empty();
    out += R"(,"group":)";
    organization(out, in_section ? section_course : course_,
                 in_section ? section : std::string_view());
    out.back() = ',';
    out.append(R"("extensions":{"com.instructure.canvas":{"context_type":"Course","entity_id":")")
        .append(course_)
        .append(R"("}}})");
    membership(out, in_section ? section_course : course_,
               in_section ? section : std::string_view());
  }
  static void organization_id(TextWriter& out, std::string_view course, std::string_view section) {
    out.append(course_urn).append(course);
    if (!section.empty()) out.append(":section:").append(section);
  }
  static void organization(TextWriter& out, std::string_view course, std::string_view section) {
    out += R"({"id":")";
    organization_id(out, course, section);
    out += section.empty() ? R"(","type":"CourseOffering"})" : R"(","type":"CourseSection"})";
  }
  void membership(TextWriter& out, std::string_view course, std::string_view section) const {
    if (user_.empty()) return;
    out += R"(,"membership":{"id":")";
    organization_id(out, course, section);
    out.append(":").append(role_.empty() ? "user" : role_).append(":").append(user_);
    out.append(R"(","type":"Membership","member":{"id":")").append(user_urn).append(user_);
    out += R"(","type":"Person"},"organization":)";
    organization(out, course, section);
    if (!section.empty()) {
      out.back() = ',';
      out += R"("subOrganizationOf":)";
      organization(out, course, {});
      out += '}';
    }
    if (!role_.empty()) out.append(R"(,"roles":[")").append(role_).append(R"("])");
    out += '}';
  }

  // Appends the time in the form of Caliper, or nothing: false.
  static bool time(std::string_view raw, TextWriter& out) {
    if (!is_text(raw)) return false;
    std::string buffer;
    auto const text = decoded(raw, buffer);
    switch (time_form(text)) {
      case TimeForm::exact:
        out.append("\"").append(text).append("\"");
        return true;
      case TimeForm::without_milliseconds:
        out.append("\"").append(text.substr(0, text.size() - 1)).append(".000Z\"");
        return true;
      case TimeForm::other:
        break;
    }
    auto const parsed = parse_time(text);
    if (parsed) out.append("\"").append_time(*parsed).append("\"");
    return parsed.has_value();
  }
  // Canvas makes text of every id that it sends; where a producer did not, it is made here.
  static void identifier(std::string_view raw, TextWriter& out) {
    if (is_number(raw)) {
      out.append("\"").append(raw).append("\"");
    } else {
      out += raw;
    }
  }
  // 100.0 as 100: the published form of a quiz writes its points so.
  static void whole(std::string_view raw, TextWriter& out) {
    auto const point = raw.find('.');
    bool const zeros = point != raw.npos && raw.find_first_not_of('0', point + 1) == raw.npos;
    out += zeros ? raw.substr(0, point) : raw;
  }

  // Appends the value if it is what stands there, else nothing: false.
  static bool copy_if(bool fits, std::string_view raw, TextWriter& out) {
    if (fits) out += raw;
    return fits;
  }

  bool field(Node const& node, TextWriter& out) const {
    auto const raw = at(node.slot);
    if (raw.empty()) return false;
    switch (node.change) {
      case Change::none:
        return copy_if(true, raw, out);
      case Change::any_time:
        return time(raw, out) || copy_if(true, raw, out);
      case Change::time:
        return time(raw, out);
      case Change::text:
        if (!is_text(raw) && !is_number(raw)) return false;
        identifier(raw, out);
        return true;
      case Change::id:
        identifier(raw, out);
        return true;
      case Change::integer:
        return copy_if(is_integer(raw), raw, out);
      case Change::decimal:
        return copy_if(is_number(raw), raw, out);
      case Change::whole:
        if (is_number(raw)) whole(raw, out);
        return is_number(raw);
      case Change::boolean:
        return copy_if(raw == "true" || raw == "false", raw, out);
      case Change::iri:
        return copy_if(is_iri_text(raw), raw, out);
    }
    return false;
  }

  bool joined(Node const& node, TextWriter& out) const {
    out += '"';
    for (auto const& part : node.parts) {
      switch (part.kind) {
        case Node::Kind::field: {
          auto const piece = node.is_iri ? iri_part(at(part.slot)) : inside(at(part.slot));
          if (piece.empty()) return false;
          out += piece;
          break;
        }
        case Node::Kind::actor:
          out.append("http://").append(host_).append("/");
          break;
        default:
          out += part.text;
      }
    }
    out += '"';
    return true;
  }

  bool list(Node const& node, TextWriter& out, char open, char close) const {
    auto const size = out.size();
    out += open;
    bool any = false;
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      auto const before = out.size();
      if (any) out += ',';
      if (open == '{') out += node.keys[i];
      if (render(node.parts[i], out)) {
        any = true;
        continue;
      }
      out.cut(before);
      if (node.has_id && i == 0) break;
    }
    if (any) {
      out += close;
    } else {
      out.cut(size);
    }
    return any;
  }

  // Appends the value, or nothing: false.
  bool render(Node const& node, TextWriter& out) const {
    switch (node.kind) {
      case Node::Kind::literal:
        out += node.text;
        return true;
      case Node::Kind::field:
        return field(node, out);
      case Node::Kind::joined:
        return member(out, "", [&] { return joined(node, out); });
      case Node::Kind::first:
        for (auto const& part : node.parts)
          if (render(part, out)) return true;
        return false;
      case Node::Kind::choose: {
        std::size_t i = 0;
        while (i < node.keys.size() && node.keys[i] != at(node.slot)) ++i;
        return render(node.parts[i], out);
      }
      case Node::Kind::object:
        return list(node, out, '{', '}');
      case Node::Kind::array:
        return list(node, out, '[', ']');
      case Node::Kind::actor:
        bare_actor(out);
        return true;
    }
    return false;
  }

  Plan const& plan_;
  std::span<std::string_view const> slots_;
  std::string_view user_, host_, course_, role_;
  bool fallback_ = false;
  bool is_test_;
};

}  // namespace

struct CaliperRenderer::Plans {
  std::map<std::string, Plan, std::less<>> by_type;
};

CaliperRenderer::CaliperRenderer(std::unique_ptr<Plans> plans) : plans_(std::move(plans)) {}
CaliperRenderer::CaliperRenderer(CaliperRenderer&&) noexcept = default;
CaliperRenderer& CaliperRenderer::operator=(CaliperRenderer&&) noexcept = default;
CaliperRenderer::~CaliperRenderer() = default;

Result<CaliperRenderer> CaliperRenderer::make(model::Catalog const& catalog) {
  auto plans = std::make_unique<Plans>();
  auto const model = CaliperModel::load("canvas");
  if (!model) return pass(model);
  for (auto const& event : catalog.events()) {
    if (event.caliper.empty()) continue;
    auto const mapping = json::parse(event.caliper);
    if (!mapping) return pass(mapping);
    if (!mapping->is_object())
      return fail(Fault::invalid,
                  fmt::format("catalogue: {}: its mapping is not an object", event.name));
    auto plan = compile(mapping->get_object(), *model);
    if (!plan)
      return fail(Fault::invalid, fmt::format("catalogue: {}: {}", event.name, plan.error().what));
    plans->by_type.emplace(event.name, std::move(*plan));
  }
  return CaliperRenderer(std::move(plans));
}

bool CaliperRenderer::has_form(std::string_view event_type) const {
  return plans_->by_type.find(event_type) != plans_->by_type.end();
}

Result<std::string> CaliperRenderer::render(std::string_view event_type,
                                            model::EventView const& event, WallTime accepted_at,
                                            EventId id, bool is_test) const {
  auto const found = plans_->by_type.find(event_type);
  if (found == plans_->by_type.end())
    return fail(Fault::missing, fmt::format("{}: has no Caliper form", event_type));
  auto const& plan = found->second;
  std::array<std::string_view, 128> slots{};
  auto const fill = [&](bool in_body, std::string_view object) {
    json::each_member(object, [&](std::string_view key, std::string_view raw) {
      auto const slot = plan.slots.find(in_body, key);
      if (slot != SlotTable::none && raw != "null") slots[slot] = raw;
    });
  };
  fill(false, event.metadata());
  fill(true, event.body());
  TextWriter out(event.payload.size() + 3072);
  if (!Rendering(plan, slots, is_test).envelope(out, accepted_at, id))
    return fail(Fault::invalid, fmt::format("{}: lacks the id of what it is about", event_type));
  return std::move(out).take();
}

}  // namespace millrace::formats
