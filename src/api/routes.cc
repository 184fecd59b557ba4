#include "api/routes.h"

namespace millrace::api {

std::span<Route const> routes() {
  using enum Access;
  constexpr auto no_body = BodyKind::none;
  constexpr auto maybe = BodyKind::optional_json;
  constexpr auto json = BodyKind::json;
  constexpr std::string_view page = "limit after";
  // clang-format off
  static constexpr Route table[] = {
      {"GET", "/", open, no_body, "", false, show_welcome},
      {"GET", "/openapi.yaml", open, no_body, "", false, show_openapi},
      {"GET", "/jwks", open, no_body, "", false, show_jwks},
      {"GET", "/main/jwks", open, no_body, "", false, show_jwks},
      {"GET", "/.well-known/jwks.json", open, no_body, "", false, show_jwks},
      {"GET", "/healthz", open, no_body, "", false, show_healthz},
      {"GET", "/readyz", open, no_body, "", false, show_readyz},
      {"GET", "/metrics", read_all, no_body, "", false, show_metrics},

      {"GET", "/api/v1/data_streams", read, no_body, "limit after account state", false, list_streams},
      {"POST", "/api/v1/data_streams", edit, json, "", true, make_stream},
      {"GET", "/api/v1/data_streams/{id}", read, no_body, "", false, show_stream},
      {"PATCH", "/api/v1/data_streams/{id}", edit, json, "", false, change_stream},
      {"DELETE", "/api/v1/data_streams/{id}", edit, no_body, "", false, delete_stream},
      {"POST", "/api/v1/data_streams/{id}/duplicate", edit, maybe, "", true, duplicate_stream},
      {"POST", "/api/v1/data_streams/{id}/deactivate", edit, maybe, "", false, deactivate_stream},
      {"POST", "/api/v1/data_streams/{id}/activate", edit, maybe, "", false, activate_stream},
      {"POST", "/api/v1/data_streams/{id}/test", edit, maybe, "", false, test_stream},
      {"GET", "/api/v1/data_streams/{id}/attempts", read, no_body, "limit after outcome event_type event_id since", false, stream_attempts},
      {"GET", "/api/v1/data_streams/{id}/undelivered", read, no_body, "limit after include", false, stream_undelivered},
      {"GET", "/api/v1/data_streams/{id}/health", read, no_body, "", false, stream_health},

      {"GET", "/api/v1/events/{id}", read, no_body, "", false, show_event},
      {"GET", "/api/v1/event_types", read, no_body, "limit after format", false, list_event_types},
      {"GET", "/api/v1/event_types/{name}", read, no_body, "", false, show_event_type},
      {"GET", "/api/v1/event_types/drift", read_all, no_body, page, false, list_drift},
      {"GET", "/api/v1/dead_letters", read, no_body, page, false, list_dead_letters},
      {"GET", "/api/v1/dead_letters/{id}", read, no_body, "", false, show_dead_letter},

      {"GET", "/api/v1/accounts", read, no_body, page, false, list_accounts},
      {"GET", "/api/v1/tokens", own, no_body, page, false, list_tokens},
      {"POST", "/api/v1/tokens", own, json, "", true, make_token},
      {"DELETE", "/api/v1/tokens/{id}", own, no_body, "", false, revoke_token},
      {"GET", "/api/v1/access_keys", own, no_body, page, false, list_access_keys},
      {"POST", "/api/v1/access_keys", own, json, "", true, make_access_key},
      {"DELETE", "/api/v1/access_keys/{id}", own, no_body, "", false, revoke_access_key},
      {"GET", "/api/v1/signing_keys", read, no_body, page, false, list_signing_keys},
      {"POST", "/api/v1/signing_keys/rotate", own_all, maybe, "", false, rotate_signing_keys},
      {"GET", "/api/v1/audit", own, no_body, page, false, list_audit},
  };
  // clang-format on
  return table;
}

}  // namespace millrace::api
