// Lists that are answered in pages.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace millrace::store {

struct PageLimits {
  std::size_t items = 100;  // 1 to 1,000
  // Of the texts in them. The page ends before the item that would exceed it; its first item comes whatever its size.
  std::size_t bytes = 1024 * 1024;
};

template <class T>
struct Page {  // newest first
  std::vector<T> items;
  std::string next;  // cursor; empty: the end
};

}  // namespace millrace::store
