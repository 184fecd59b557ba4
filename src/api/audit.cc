#include "api/audit.h"

#include <boost/json.hpp>

#include "api/json_text.h"

namespace millrace::api {
namespace {

std::string optional_text(std::optional<std::string> const& text) {
  return text ? quoted(*text) : "null";
}

std::string rate_text(std::optional<double> rate) {
  json::Writer out;
  return rate ? std::move(out.real(*rate)).take() : "null";
}

}  // namespace

std::vector<FieldChange> changes_between(model::DataStream const& a, model::DataStream const& b) {
  std::vector<FieldChange> out;
  auto const told = [&](std::string field, std::string from, std::string to) {
    if (from != to) out.push_back({std::move(field), std::move(from), std::move(to)});
  };
  auto const named = [&](std::string field, bool differs) {
    if (differs) out.push_back({std::move(field), std::nullopt, std::nullopt});
  };
  auto const truth = [](bool value) { return std::string(value ? "true" : "false"); };

  told("/name", quoted(a.name), quoted(b.name));
  told("/account", quoted(a.account), quoted(b.account));
  told("/format", quoted(name_of(a.format)), quoted(name_of(b.format)));
  told("/event_types", texts_json(a.event_types), texts_json(b.event_types));
  told("/delivery/method", quoted(name_of(a.delivery.method)), quoted(name_of(b.delivery.method)));
  named("/delivery/url", a.delivery.url != b.delivery.url);
  told("/delivery/sign_payload", truth(a.delivery.sign_payload), truth(b.delivery.sign_payload));
  told("/delivery/signed_body", quoted(name_of(a.delivery.signed_body)),
       quoted(name_of(b.delivery.signed_body)));
  told("/delivery/region", optional_text(a.delivery.region), optional_text(b.delivery.region));
  named("/delivery/access_key_id", a.delivery.access_key_id != b.delivery.access_key_id);
  named("/delivery/secret_access_key",
        a.delivery.secret_access_key != b.delivery.secret_access_key);
  auto const& tls = a.delivery.tls;
  named("/delivery/tls/ca_certificates", tls.ca_certificates != b.delivery.tls.ca_certificates);
  named("/delivery/tls/client_certificate",
        tls.client_certificate != b.delivery.tls.client_certificate);
  named("/delivery/tls/client_key", tls.client_key != b.delivery.tls.client_key);
  told("/state", quoted(name_of(a.state)), quoted(name_of(b.state)));
  told("/state_reason", quoted(name_of(a.reason)), quoted(name_of(b.reason)));
  named("/headers", a.headers != b.headers);
  told("/breaker", a.breaker ? R"("on")" : R"("off")", b.breaker ? R"("on")" : R"("off")");
  named("/contact_email", a.contact_email != b.contact_email);
  told("/rate_limit", rate_text(a.rate_limit), rate_text(b.rate_limit));
  return out;
}

std::string to_json(AuditLine const& line, std::string const& id, WallTime at,
                    model::Principal const& by) {
  std::vector<std::string> changes;
  for (auto const& change : line.changes) {
    ObjectText text;
    text.text("field", change.field);
    if (change.from) text.raw("from", *change.from);
    if (change.to) text.raw("to", *change.to);
    changes.push_back(std::move(text).done());
  }
  ObjectText who;
  who.text("id", by.id).text("name", by.name);
  ObjectText text;
  text.text("id", id).time("at", at).raw("by", std::move(who).done()).text("action", line.action);
  text.text("object", line.object).text_or_null("name", line.name);
  text.texts("accounts", line.accounts).raw("changes", list_json(changes));
  return std::move(text).done();
}

std::optional<std::vector<std::string>> accounts_of_line(std::string const& json) {
  boost::system::error_code error;
  auto const value = boost::json::parse(json, error);
  if (error || !value.is_object()) return std::nullopt;
  auto const* accounts = value.get_object().if_contains("accounts");
  if (accounts == nullptr || !accounts->is_array()) return std::nullopt;
  std::vector<std::string> out;
  for (auto const& account : accounts->get_array()) {
    if (!account.is_string()) return std::nullopt;
    out.emplace_back(std::string_view(account.get_string()));
  }
  return out;
}

}  // namespace millrace::api
