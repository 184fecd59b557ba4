#include "commands/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "commands/print.h"
#include "http/guard.h"
#include "json/reader.h"

namespace millrace::commands {
namespace {

struct Named {
  std::string_view field, flag;
};
// What is not of the form /some_name: --some-name.
constexpr std::array<Named, 8> named{{{"/event_types", "--event-type"},
                                      {"/accounts", "--account"},
                                      {"/headers", "--header"},
                                      {"/expires_at", "--expires"},
                                      {"/delivery/sign_payload", "--sign"},
                                      {"/access_key_id", "/access_key_id"},
                                      {"/secret_access_key", "/secret_access_key"},
                                      {"/body", "/body"}}};
constexpr std::array<std::string_view, 17> same{
    {"/name", "/account", "/format", "/contact_email", "/breaker", "/rate_limit", "/role", "/from",
     "/emergency", "/event_type", "/delivery/url", "/delivery/signed_body",
     "/delivery/tls/ca_certificates", "/delivery/tls/client_certificate",
     "/delivery/tls/client_key", "/retry", "/delivery/region"}};

std::string flag_form(std::string_view name) {
  std::string flag = "--" + std::string(name);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

bool is_below(std::string_view field, std::string_view top) {
  return field.starts_with(top) && (field.size() == top.size() || field[top.size()] == '/');
}

std::optional<std::string> url_in(std::string_view sent) {
  auto const input = json::parse(sent);
  if (!input || !input->is_object()) return std::nullopt;
  auto const* const delivery = input->get_object().if_contains("delivery");
  if (delivery == nullptr || !delivery->is_object()) return std::nullopt;
  auto const url = json::text_at(delivery->get_object(), "url");
  if (!url) return std::nullopt;
  return std::string(*url);
}

// The server refuses a private address, and plain http, unless its operator allows them.
std::string remedy_for(std::string_view url) {
  auto const parsed = http::parse_url(url);
  auto const strict = http::Guard::make({});
  if (!parsed || !strict || strict->refusal(*parsed).empty()) {
    if (!parsed || parsed->tls()) return {};
    return " (or allow plain http:// to the receiver's address where it is yours: `millrace serve "
           "--delivery-allow RANGE`)";
  }
  if (!parsed->is_ip) return {};
  bool const v6 = parsed->host.contains(':');
  return fmt::format(
      " (where that is a receiver of yours, start the service with --delivery-allow {}/{}, or set "
      "delivery.allow)",
      parsed->host, v6 ? 128 : 32);
}

std::string fault_text(boost::json::object const& error, std::string_view sent) {
  auto const field = json::text_at(error, "field").value_or("");
  auto text = flag_of(field);
  if (!text.empty()) text += ": ";
  text += json::text_at(error, "message").value_or("");
  if (field == "/delivery/url")
    if (auto const url = url_in(sent)) text += remedy_for(*url);
  return text;
}

}  // namespace

std::string flag_of(std::string_view field) {
  if (field.starts_with('?') && field.size() > 1) return flag_form(field.substr(1));
  for (auto const& [top, flag] : named) {
    if (!is_below(field, top)) continue;
    // The name of a header says which of them is meant.
    if (top == "/headers" && field.size() > top.size())
      return fmt::format("{} {}", flag, field.substr(top.size() + 1));
    return std::string(flag);
  }
  for (auto const known : same)
    if (field == known) return flag_form(field.substr(field.rfind('/') + 1));
  return std::string(field);
}

std::string problem_text(int status, std::string_view answer, std::string_view sent) {
  std::string text;
  if (auto const parsed = json::parse(answer); parsed && parsed->is_object()) {
    auto const& object = parsed->get_object();
    auto const* const errors = object.if_contains("errors");
    if (errors != nullptr && errors->is_array())
      for (auto const& error : errors->get_array())
        if (error.is_object())
          text += (text.empty() ? "" : "; ") + fault_text(error.get_object(), sent);
    if (text.empty())
      text = json::text_at(object, "detail").value_or(json::text_at(object, "title").value_or(""));
  }
  if (text.empty()) text = fmt::format("the server answered {}", status);
  // REST's way to insist is a member of the body.
  constexpr std::string_view insist = "say \"confirm\": true";
  if (auto const at = text.find(insist); at != text.npos)
    text.replace(at, insist.size(), "give --yes");
  if (status == 401)
    text += "; give a valid token by --token, MILLRACE_TOKEN, or --data DIR (its admin.token)";
  return harmless(text);
}

}  // namespace millrace::commands
