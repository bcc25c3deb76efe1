// A doveadm-server on a unix socket that says what a test tells it to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

class Fake_doveadm {
  public:
    // Called in the server's thread, for each connection that has sent a command: its words. What
    // it returns is sent as it is, and the connection is closed.
    using Answer = std::function<std::string(const std::vector<std::string> &words)>;
    explicit Fake_doveadm(Answer answer);
    ~Fake_doveadm();
    Fake_doveadm(const Fake_doveadm &) = delete;
    Fake_doveadm &operator=(const Fake_doveadm &) = delete;

    const std::string &path() const;
    // The line that logs in, of those who connect from now on; empty: none is wanted, as on a
    // socket of root's own.
    void set_login(const std::string &line);
    // Whether it lets anybody in; else it closes each connection at once.
    void set_open(bool open);

    // "a\tb\t\n+\n" of {"a", "b"}: an answer that is whole.
    static std::string whole(const std::vector<std::string> &values);

  private:
    struct State;
    std::unique_ptr<State> state_;
};
