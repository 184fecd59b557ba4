// The table behind sample_day.h: one row an event that the sample knows. Names and fields are those of Canvas's data stream; every value
// is this project's own.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::commands {

enum class Who : std::uint8_t {
  student,
  teacher,
  admin,
  anybody,
  job
};  // who causes it; `job`: no request, no user
enum class Where : std::uint8_t { course, account, group, nowhere };  // the context

struct SampleEvent {
  std::string_view name;
  unsigned weight;  // how often, against the others
  Who who;
  Where where;
  std::string_view path;  // of the page or API call that caused it; of a job: its tag
  std::string_view body;  // JSON; $name stands for a value of the scene (sample_day.cc)
};

std::span<SampleEvent const> sample_events();

}  // namespace millrace::commands
