// Another process that counts connections in the same shared file, as another login process would.
#pragma once

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CppUTest/TestHarness.h>

// A folder that is gone with the test.
class Counts_folder {
  public:
    Counts_folder()
    {
        std::string name = "/tmp/proxymap-counts-XXXXXX";
        CHECK(mkdtemp(name.data()) != nullptr);
        name_ = name;
    }
    ~Counts_folder()
    {
        for (const char *file : {"/counts", "/counts.lock", "/counts.new", "/other"})
            unlink((name_ + file).c_str());
        rmdir(name_.c_str());
    }
    Counts_folder(const Counts_folder &) = delete;
    Counts_folder &operator=(const Counts_folder &) = delete;
    const std::string &name() const { return name_; }
    std::string path() const { return name_ + "/counts"; }

  private:
    std::string name_;
};

// Runs `work` and then stays, with all that work's result holds, until it is told to end or killed.
class Counting_process {
  public:
    // work returns what is to be kept alive; an exception or nullptr is a failure.
    explicit Counting_process(const std::function<std::shared_ptr<void>()> &work)
    {
        std::array<int, 2> to_parent{};
        std::array<int, 2> to_child{};
        CHECK(pipe(to_parent.data()) == 0 && pipe(to_child.data()) == 0);
        pid_ = fork();
        CHECK(pid_ >= 0);
        if (pid_ == 0) {
            close(to_parent[0]);
            close(to_child[1]);
            char byte = 'f';
            std::shared_ptr<void> held;
            try {
                held = work();
                byte = held == nullptr ? 'f' : 'd';
            } catch (const std::exception &) {
            }
            if (write(to_parent[1], &byte, 1) != 1)
                _exit(2);
            while (read(to_child[0], &byte, 1) < 0 && errno == EINTR) {
            }
            held.reset();
            _exit(0);
        }
        close(to_parent[1]);
        close(to_child[0]);
        done_ = to_parent[0];
        end_ = to_child[1];
    }
    ~Counting_process() { kill_it(); }
    Counting_process(const Counting_process &) = delete;
    Counting_process &operator=(const Counting_process &) = delete;

    // Waits for work to have returned.
    void wait_until_done() const
    {
        char byte = 0;
        LONGS_EQUAL(1, read(done_, &byte, 1));
        BYTES_EQUAL('d', byte);
    }
    // As kill -9 would: nothing is given back by the process itself.
    void kill_it() { finish(true); }
    // Gives back all, as a login process that ends.
    void end() { finish(false); }

  private:
    void finish(bool by_signal)
    {
        if (pid_ <= 0)
            return;
        // A byte, for later processes have inherited this end and would keep it open.
        if (by_signal || write(end_, "e", 1) != 1)
            kill(pid_, SIGKILL);
        close(end_);
        close(done_);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    pid_t pid_ = -1;
    int done_ = -1;
    int end_ = -1;
};
