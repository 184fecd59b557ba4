#include "control/audit.h"

#include <boost/json.hpp>

#include "json/write.h"

namespace millrace::control {
namespace {

std::string optional_text(std::optional<std::string> const& text) {
  return text ? json::quote(*text) : "null";
}

void write_texts(json::Writer& out, std::vector<std::string> const& texts) {
  out.begin_array();
  for (auto const& text : texts) out.text(text);
  out.end_array();
}

std::string texts_json(std::vector<std::string> const& texts) {
  json::Writer out;
  write_texts(out, texts);
  return std::move(out).take();
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

  told("/name", json::quote(a.name), json::quote(b.name));
  told("/account", json::quote(a.account), json::quote(b.account));
  told("/format", json::quote(name_of(a.format)), json::quote(name_of(b.format)));
  told("/event_types", texts_json(a.event_types), texts_json(b.event_types));
  told("/delivery/method", json::quote(name_of(a.delivery.method)),
       json::quote(name_of(b.delivery.method)));
  named("/delivery/url", a.delivery.url != b.delivery.url);
  told("/delivery/sign_payload", truth(a.delivery.sign_payload), truth(b.delivery.sign_payload));
  told("/delivery/signed_body", json::quote(name_of(a.delivery.signed_body)),
       json::quote(name_of(b.delivery.signed_body)));
  told("/delivery/region", optional_text(a.delivery.region), optional_text(b.delivery.region));
  named("/delivery/access_key_id", a.delivery.access_key_id != b.delivery.access_key_id);
  named("/delivery/secret_access_key",
        a.delivery.secret_access_key != b.delivery.secret_access_key);
  auto const& tls = a.delivery.tls;
  named("/delivery/tls/ca_certificates", tls.ca_certificates != b.delivery.tls.ca_certificates);
  named("/delivery/tls/client_certificate",
        tls.client_certificate != b.delivery.tls.client_certificate);
  named("/delivery/tls/client_key", tls.client_key != b.delivery.tls.client_key);
  told("/state", json::quote(name_of(a.state)), json::quote(name_of(b.state)));
  told("/state_reason", json::quote(name_of(a.reason)), json::quote(name_of(b.reason)));
  named("/headers", a.headers != b.headers);
  told("/breaker", a.breaker ? R"("on")" : R"("off")", b.breaker ? R"("on")" : R"("off")");
  named("/contact_email", a.contact_email != b.contact_email);
  told("/rate_limit", rate_text(a.rate_limit), rate_text(b.rate_limit));
  return out;
}

std::string to_json(AuditLine const& line, std::string const& id, WallTime at,
                    model::Principal const& by) {
  json::Writer out;
  out.begin_object().key("id").text(id).key("at").text(iso_ms(at));
  out.key("by").begin_object().key("id").text(by.id).key("name").text(by.name).end_object();
  out.key("action").text(line.action).key("object").text(line.object);
  out.key("name").text_or_null(line.name).key("accounts");
  write_texts(out, line.accounts);
  out.key("changes").begin_array();
  for (auto const& change : line.changes) {
    out.begin_object().key("field").text(change.field);
    if (change.from) out.key("from").raw(*change.from);
    if (change.to) out.key("to").raw(*change.to);
    out.end_object();
  }
  out.end_array().end_object();
  return std::move(out).take();
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

}  // namespace millrace::control
