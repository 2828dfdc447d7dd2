// C++ as a scientist writes it: streams, containers, algorithms, a class with a destructor.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

// The C++ library for wasm has no file streams; C's files serve.
static std::string read_all(const std::string &path) {
    std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    std::string text;
    for (int c; file && (c = std::fgetc(file.get())) != EOF;) text.push_back(static_cast<char>(c));
    return text;
}

struct Farewell {
    std::string name;
    explicit Farewell(std::string n) : name(std::move(n)) {}
    ~Farewell() { std::cout << "farewell " << name << "\n"; }
};

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    std::istringstream in(read_all(argv[1]));
    std::map<std::string, int> counts;
    for (std::string word; in >> word;) {
        std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
        word.erase(std::remove_if(word.begin(), word.end(), [](unsigned char c) { return !std::isalpha(c); }), word.end());
        if (!word.empty()) ++counts[word];
    }
    std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](auto &a, auto &b) { return a.second > b.second; });
    std::ostringstream out;
    for (auto &[word, count] : sorted) out << word << ',' << count << '\n';
    std::string path = std::string(argv[2]) + "/counts.csv";
    {
        std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "wb"), std::fclose);
        std::fwrite(out.str().data(), 1, out.str().size(), file.get());
    }
    std::cout << "same " << (read_all(path) == out.str()) << "\n";

    std::mt19937_64 dice(12345);
    std::vector<double> numbers(1000);
    for (auto &number : numbers) number = static_cast<double>(dice() >> 11) / 9007199254740992.0;
    double sum = std::accumulate(numbers.begin(), numbers.end(), 0.0);
    std::cout << std::setprecision(17) << sum << " " << std::sqrt(sum) << "\n";
    std::sort(numbers.begin(), numbers.end(), std::greater<>());
    std::cout << std::hexfloat << numbers.front() << "\n" << std::defaultfloat;
    auto owner = std::make_unique<Farewell>("owner");
    std::shared_ptr<Farewell> one = std::make_shared<Farewell>("shared"), two = one;
    std::cout << "holders " << two.use_count() << "\n";
    std::function<long(long)> fibonacci = [&](long n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); };
    std::cout << "fibonacci " << fibonacci(20) << std::endl;
    return 0;
}
