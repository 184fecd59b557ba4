// Names of files and folders that are made from what came over the network. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/time.h"

namespace millrace::receive {

// `text` as one part of a path: letters, digits, '_', '-' and inner '.' stay, all else becomes %XX;
// over 120 bytes it is cut and ends in a digest. Never empty, "." or "..", and never hidden.
std::string path_part(std::string_view text);

// "2026/11/21/19/<id>.json"; of a replay "2026/11/21/19/<id>~replay-<replay>.json". `replay`: empty, it is none.
std::string per_event_path(WallTime accepted_at, std::string_view id, std::string_view replay);

// "2026-11-21"
std::string date_of(WallTime time);

// The event's own time when it makes sense: readable, not before 2011 and at most a day after
// `received`; else `received`.
WallTime sensible_time(std::string_view event_time, WallTime received);

// 26 characters that sort by `time`; `random`: at least 10 random bytes.
std::string ulid(WallTime time, std::string_view random);

// The folder that holds `path`; "." when there is none.
std::string folder_of(std::string_view path);

}  // namespace millrace::receive
