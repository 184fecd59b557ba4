#include "api/remarks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/nearest.h"
#include "json/write.h"

namespace millrace::api {
namespace {

constexpr std::size_t most_named = 20;  // in one answer, of a kind

// Why no event can have this name; empty: one can.
std::string malformed(std::string_view type, model::Catalog const& catalog) {
  if (type.contains('*')) {
    auto const beginning = type.substr(0, type.find('*'));
    std::string like;
    std::size_t count = 0;
    for (auto const& event : catalog.events())
      if (!beginning.empty() && event.name.starts_with(beginning) && count++ < 3)
        like += (like.empty() ? "" : ", ") + event.name;
    return "is a pattern, and none is taken but * alone, for all" +
           (like.empty() ? "" : "; write the names one by one: " + like + (count > 3 ? ", …" : ""));
  }
  if (type.contains(',')) return "holds a comma; write each name as an item of its own";
  if (type.contains(' ')) return "holds a space, which no event type does";
  return {};
}

// The event types that have come in at accounts that `who` sees; views of the census.
std::set<std::string_view> seen_types(Census const& census, model::Principal const& who) {
  std::set<std::string_view> types;
  std::string_view account;
  bool sees = false;
  for (auto const& [kind, events] : census.kinds) {  // by account
    if (kind.account != account) account = kind.account, sees = who.sees(account);
    if (sees) types.insert(kind.type);
  }
  return types;
}

// Those of the stream that nobody can vouch for: not in the catalogue, not there before.
std::vector<std::string_view> doubtful_types(model::Catalog const& catalog,
                                             model::DataStream const& stream,
                                             model::DataStream const* before) {
  std::vector<std::string_view> types;
  for (auto const& type : stream.event_types)
    if (type != "*" && catalog.find(type) == nullptr &&
        (before == nullptr || !std::ranges::binary_search(before->event_types, type)))
      types.push_back(type);
  return types;
}

void look_at_types(Remarks& remarks, Context const& context, Census const& census,
                   model::Principal const& who, model::DataStream const& stream,
                   model::DataStream const* before) {
  auto const& catalog = context.parts.catalog;
  auto const doubtful = doubtful_types(catalog, stream, before);
  if (doubtful.empty()) return;
  auto const seen = seen_types(census, who);
  std::size_t named = 0;
  for (auto const type : doubtful) {
    if (seen.contains(type)) continue;
    if (++named > most_named) {
      remarks.warnings.emplace_back(
          "more event types are not in the catalogue; they were not looked at");
      return;
    }
    Nearest near(type);
    for (auto const& event : catalog.events()) near.consider(event.name);
    constexpr auto unknown = " is not an event of the catalogue, and none has come in so far";
    if (auto const why = malformed(type, catalog); !why.empty())
      remarks.faults.push_back({"/event_types", json::quote(type) + " " + why});
    else if (!near.found().empty())
      remarks.faults.push_back(
          {"/event_types", json::quote(type) + unknown + did_you_mean(near.found())});
    else if (stream.format == model::Format::canvas)
      remarks.warnings.push_back(json::quote(type) + unknown);
  }
}

bool is_known(Context const& context, Census const& census, std::string const& account,
              model::DataStream const* before) {
  if (account == "*" || (before != nullptr && before->account == account)) return true;
  auto const at = census.kinds.lower_bound({account, ""});
  return (at != census.kinds.end() && at->first.account == account) ||
         census.unnamed.contains(account) || context.parts.registry.names(account);
}

// One that nothing names yet may be right: that of a Canvas from which nothing has come so far.
std::string unknown_account(Context const& context, Census const& census,
                            model::Principal const& who, std::string const& account) {
  auto const streams = context.parts.registry.streams();  // viewed until the sentence is made
  Nearest near(account);
  std::string_view last;
  for (auto const& [kind, events] : census.kinds)
    if (kind.account != last && who.sees(kind.account)) near.consider(last = kind.account);
  for (auto const& stream : streams)
    if (who.sees(stream->account)) near.consider(stream->account);
  return "nothing is known of the account " + json::quote(account) +
         ": no event, data stream or credential names it" + did_you_mean(near.found());
}

}  // namespace

io::Task<Result<Remarks>> stream_remarks(Context& context, model::Principal const& who,
                                         model::DataStream const& stream,
                                         model::DataStream const* before) {
  auto const census = co_await take_census(context);
  if (!census) co_return pass(census);
  Remarks remarks;
  look_at_types(remarks, context, **census, who, stream, before);
  if (who.sees_all() && !is_known(context, **census, stream.account, before))
    remarks.warnings.push_back(unknown_account(context, **census, who, stream.account));
  if (before != nullptr && before->name == stream.name) co_return remarks;
  auto const self = before != nullptr ? before->id : stream.id;
  if (auto const other = context.parts.registry.namesake(stream.account, stream.name, self))
    remarks.warnings.push_back("another data stream of this account has this name: " +
                               other->text());
  co_return remarks;
}

io::Task<Result<std::vector<std::string>>> account_warnings(
    Context& context, model::Principal const& who, std::vector<std::string> const& accounts) {
  std::vector<std::string> warnings;
  if (std::ranges::find(accounts, "*") != accounts.end())
    warnings.emplace_back("it is good for every account");
  if (!who.sees_all()) co_return warnings;
  auto const census = co_await take_census(context);
  if (!census) co_return pass(census);
  for (auto const& account : accounts)
    if (warnings.size() < most_named && !is_known(context, **census, account, nullptr))
      warnings.push_back(unknown_account(context, **census, who, account));
  co_return warnings;
}

}  // namespace millrace::api
