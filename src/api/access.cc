// Tokens, access keys and the audit log. An owner handles those that lie wholly within its own accounts; others do not exist for it.
#include "api/handlers.h"
#include "api/json_text.h"
#include "api/list.h"
#include "api/remarks.h"
#include "api/streams.h"
#include "base/nearest.h"
#include "control/audit.h"

namespace millrace::api {
namespace {

constexpr std::size_t most_accounts = 100;

ObjectText token_text(control::TokenRecord const& token) {
  ObjectText text;
  text.text("id", token.id).text("name", token.name).text("role", name_of(token.role));
  text.texts("accounts", token.accounts).time("created_at", token.created_at);
  text.truth("revoked", token.revoked).time("expires_at", token.expires_at);
  text.time("last_used_at", token.last_used_at);
  return text;
}

ObjectText access_key_text(control::AccessKeyRecord const& key) {
  ObjectText text;
  text.text("access_key_id", key.access_key_id).texts("accounts", key.accounts);
  text.time("created_at", key.created_at).truth("revoked", key.revoked);
  return text;
}

std::string_view nearest_of(std::vector<std::string> const& all, std::string_view word) {
  Nearest near(word);
  for (auto const& one : all) near.consider(one);
  return near.found();
}

// The accounts that a new credential is good for: given, and the caller's own.
std::vector<std::string> read_accounts(Call const& call, json::Fields& fields) {
  auto given = fields.texts("accounts", most_accounts, model::Limits::name_bytes);
  if (!fields.has("accounts") || (given && given->empty()))
    fields.wrong("accounts", R"(is needed: root account uuids, or ["*"])");
  auto accounts = std::move(given).value_or(std::vector<std::string>());
  for (auto const& account : accounts)
    if (!call.principal.sees(account))
      fields.wrong("accounts", "has one that is not of this credential: " + account +
                                   did_you_mean(nearest_of(call.principal.accounts, account)));
  std::sort(accounts.begin(), accounts.end());
  accounts.erase(std::unique(accounts.begin(), accounts.end()), accounts.end());
  return accounts;
}

// When a new token ends; none: never.
std::optional<WallTime> read_end(Context const& context, json::Fields& fields) {
  if (fields.is_null("expires_at")) return std::nullopt;
  auto const text = fields.text("expires_at", 1, 64);
  if (!text) return std::nullopt;
  auto const end = parse_time(*text);
  if (!end)
    fields.wrong("expires_at", "must be a time like 2027-03-31T00:00:00Z, or null");
  else if (*end <= context.parts.clock.wall())
    fields.wrong("expires_at", "is over already");
  return end ? std::optional(*end) : std::nullopt;
}

// A pair that producers sign with already, so that they need not be changed. Only who sees every account may choose an id: whether
// one is taken tells about others.
std::optional<control::Registry::GivenKey> read_given_key(Call const& call, json::Fields& fields) {
  bool const has_id = fields.has("access_key_id");
  bool const has_secret = fields.has("secret_access_key");
  if (!has_id && !has_secret) return std::nullopt;
  if (!has_id) fields.wrong("access_key_id", "is needed beside secret_access_key");
  if (!has_secret) fields.wrong("secret_access_key", "is needed beside access_key_id");
  if (!call.principal.sees_all())
    fields.wrong("access_key_id", "may be chosen only with a credential of every account");
  auto id = fields.text("access_key_id", 1, 128);
  auto secret = fields.text("secret_access_key", 8, 128);
  auto const is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  auto const is_visible = [](char c) { return c > ' ' && c < 0x7F; };
  if (id && !std::all_of(id->begin(), id->end(), is_plain))
    fields.wrong("access_key_id", "may have letters, digits and _ only");
  if (secret && !std::all_of(secret->begin(), secret->end(), is_visible))
    fields.wrong("secret_access_key", "may have visible ASCII characters only");
  if (!id || !secret) return std::nullopt;
  return control::Registry::GivenKey{std::move(*id), std::move(*secret)};
}

// Its secret was shown once and is not kept: a repeat cannot be answered like the first call, and must not make another.
http::ServerResponse secret_was_shown(control::Made const& made) {
  return problem(409, "this Idempotency-Key has made " + made.id + " at " + iso_ms(made.at) +
                          "; its secret is shown only once: if it is lost, revoke it and make "
                          "another with a new key");
}

// The audit lines that somebody may see: those of which all accounts are his.
class AuditRows final : public RowSource {
 public:
  AuditRows(store::Store& store, model::Principal who) : store_(store), who_(std::move(who)) {}

  io::Task<Result<Rows>> read(std::string after, std::size_t most) override {
    auto page = co_await store_.newest_records("audit", std::move(after),
                                               {most, ListLimits::piece_bytes / 2});
    if (!page) co_return pass(page);
    Rows rows;
    for (auto& record : page->items) {
      auto const accounts = control::accounts_of_line(record.value);
      if (accounts && sees_all_of(who_, *accounts)) rows.items.push_back(std::move(record.value));
    }
    rows.next = std::move(page->next);
    co_return rows;
  }

 private:
  store::Store& store_;
  model::Principal who_;
};

http::ServerResponse revoked(Context& context, Result<void> const& done) {
  if (!done) return failed(context, "revoke a credential", done.error());
  http::ServerResponse out;
  out.status = 204;
  return out;
}

}  // namespace

Answer list_tokens(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  auto items = context.parts.registry.tokens();
  std::erase_if(items,
                [&](auto const& token) { return !sees_all_of(call.principal, token.accounts); });
  co_return co_await list_answer(
      context, call, ask,
      item_rows<control::TokenRecord>(
          std::move(items), [](control::TokenRecord const& token) { return token.id; },
          [](control::TokenRecord const& token) { return token_text(token).done(); }));
}

Answer make_token(Context& context, Call const& call) {
  if (call.made) co_return secret_was_shown(*call.made);
  auto const input = body_object(call);
  if (!input) co_return bad_input({{"", input.error().what}});
  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(*input, "", troubles);
  if (!fields.has("name")) fields.wrong("name", "is needed: what the token is for");
  if (!fields.has("role")) fields.wrong("role", "is needed: owner, editor, viewer or producer");
  auto name = fields.text("name", 1, 255);
  auto const role = fields.choice("role", {"owner", "editor", "viewer", "producer"});
  auto accounts = read_accounts(call, fields);
  auto const expires_at = read_end(context, fields);
  fields.refuse_others();
  if (!troubles.empty()) co_return bad_input(told(std::move(troubles)));
  auto const warnings = co_await account_warnings(context, call.principal, accounts);
  if (!warnings) co_return failed(context, "count the events of the log", warnings.error());

  constexpr model::Role roles[] = {model::Role::owner, model::Role::editor, model::Role::viewer,
                                   model::Role::producer};
  auto const made = co_await context.parts.registry.add_token(
      std::move(*name), roles[*role], std::move(accounts), call.principal, call.repeat, expires_at);
  if (!made) co_return failed(context, "store a token", made.error());
  auto text = token_text(made->record);
  text.text("token", made->secret).texts("warnings", *warnings);
  co_return json_answer(201, std::move(text).done());
}

Answer revoke_token(Context& context, Call const& call) {
  auto const& id = call.ids.front();
  for (auto const& token : context.parts.registry.tokens())
    if (token.id == id && sees_all_of(call.principal, token.accounts))
      co_return revoked(context, co_await context.parts.registry.revoke_token(id, call.principal));
  co_return problem(404, "there is no such token");
}

Answer list_access_keys(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  auto items = context.parts.registry.access_keys();
  std::erase_if(items, [&](auto const& key) { return !sees_all_of(call.principal, key.accounts); });
  co_return co_await list_answer(
      context, call, ask,
      item_rows<control::AccessKeyRecord>(
          std::move(items), [](control::AccessKeyRecord const& key) { return key.access_key_id; },
          [](control::AccessKeyRecord const& key) { return access_key_text(key).done(); }));
}

Answer make_access_key(Context& context, Call const& call) {
  if (call.made) co_return secret_was_shown(*call.made);
  auto const input = body_object(call);
  if (!input) co_return bad_input({{"", input.error().what}});
  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(*input, "", troubles);
  auto accounts = read_accounts(call, fields);
  auto given = read_given_key(call, fields);
  fields.refuse_others();
  if (!troubles.empty()) co_return bad_input(told(std::move(troubles)));
  auto const warnings = co_await account_warnings(context, call.principal, accounts);
  if (!warnings) co_return failed(context, "count the events of the log", warnings.error());

  auto const made = co_await context.parts.registry.add_access_key(
      std::move(accounts), call.principal, call.repeat, std::move(given));
  if (!made) co_return failed(context, "store an access key", made.error());
  auto text = access_key_text(made->record);
  text.text("secret_access_key", made->secret_access_key).texts("warnings", *warnings);
  co_return json_answer(201, std::move(text).done());
}

Answer revoke_access_key(Context& context, Call const& call) {
  auto const& id = call.ids.front();
  for (auto const& key : context.parts.registry.access_keys())
    if (key.access_key_id == id && sees_all_of(call.principal, key.accounts))
      co_return revoked(context,
                        co_await context.parts.registry.revoke_access_key(id, call.principal));
  co_return problem(404, "there is no such access key");
}

Answer list_audit(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  co_return co_await list_answer(context, call, ask,
                                 std::make_unique<AuditRows>(context.parts.store, call.principal));
}

}  // namespace millrace::api
