// Result<T>: a value, or an Error with one sentence that an admin understands.
// Errors are values here; exceptions are for bugs and memory, and never leave a module.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace proxymap {

// What went wrong, where, and what is allowed instead. Lower case, no final full stop,
// as Dovecot logs it.
struct Error {
    std::string message;
};

template <typename T> class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    // Only when ok().
    T &value() { return std::get<0>(state_); }
    const T &value() const { return std::get<0>(state_); }
    T &operator*() { return value(); }
    const T &operator*() const { return value(); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }

    // Only when !ok().
    const Error &error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

// For functions that return nothing but may fail: Result<Done>, `return Done{};`.
struct Done {};

} // namespace proxymap
