// The part of `millrace doctor` that asks a running service: whether it is ready, how its data streams do, what became no event.
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <vector>

#include "base/time.h"
#include "commands/client.h"
#include "commands/finding.h"

namespace millrace::commands {

// Asks without changing anything. `reach` names the service and the token; without a token its streams and letters are not looked at,
// and that is a finding, too. At most 200 streams are asked.
std::vector<Finding> look_at_service(HttpDesk& desk, Reach const& reach);

// nullopt: the stream does well. `stream` and `health` as the API gives them. Pure.
std::optional<Finding> judge_stream(boost::json::object const& stream,
                                    boost::json::object const& health);
// `letters`: the newest, as the API lists them. Pure.
Finding judge_letters(boost::json::array const& letters, WallTime now);

}  // namespace millrace::commands
