// From airport to airport in short hops: each is joined to its nearest neighbours, and the shortest
// ways from some of them to all others are found.
//
// airports NEIGHBOURS FIRST COUNT
// /in/us_airports.csv   iata,name,city,state,country,latitude,longitude
// /out/ways.csv         from,reached,hops,kilometres,farthest: mean hops, and the longest way
// /out/joined.csv       from,to,kilometres   all hops
//
// The neighbours by a k-d tree (J. L. Bentley, Comm. ACM 18, 509, 1975), the ways after
// E. W. Dijkstra, Numer. Math. 1, 269 (1959).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "idlegrid.h"

namespace {

constexpr double earth_km = 6371.0;
constexpr double far = std::numeric_limits<double>::infinity();

struct Airport {
    std::string code;
    std::array<double, 3> at; // on the unit sphere
};

struct Hop {
    int to;
    double km;
};

// One field of a line, with or without quotes; moves `at` behind its comma.
std::string field(const std::string &line, std::size_t &at)
{
    std::string text;
    bool quoted = false;
    for (; at < line.size() && (quoted || line[at] != ','); at++) {
        if (line[at] == '"')
            quoted = !quoted;
        else
            text += line[at];
    }
    at++;
    return text;
}

bool read_airports(const char *path, std::vector<Airport> &airports)
{
    std::FILE *file = std::fopen(path, "r");
    if (!file)
        return false;
    std::string line;
    bool first = true;
    for (int c; (c = std::getc(file)) != EOF;) {
        if (c != '\n') {
            if (c != '\r')
                line += static_cast<char>(c);
            continue;
        }
        if (!first && !line.empty()) {
            std::array<std::string, 7> fields;
            std::size_t at = 0;
            for (auto &text : fields)
                text = field(line, at);
            double latitude = std::strtod(fields[5].c_str(), nullptr) * M_PI / 180;
            double longitude = std::strtod(fields[6].c_str(), nullptr) * M_PI / 180;
            airports.push_back({fields[0],
                                {std::cos(latitude) * std::cos(longitude),
                                 std::cos(latitude) * std::sin(longitude), std::sin(latitude)}});
        }
        first = false;
        line.clear();
    }
    std::fclose(file);
    return airports.size() > 1;
}

double square(const Airport &a, const Airport &b)
{
    double sum = 0;
    for (int axis = 0; axis < 3; axis++)
        sum += (a.at[axis] - b.at[axis]) * (a.at[axis] - b.at[axis]);
    return sum;
}

// Along the great circle; the chord is what the tree compares.
double kilometres(const Airport &a, const Airport &b)
{
    return 2 * earth_km * std::asin(std::min(1.0, std::sqrt(square(a, b)) / 2));
}

class Tree {
  public:
    explicit Tree(const std::vector<Airport> &airports)
        : airports_(airports), order_(airports.size())
    {
        for (std::size_t i = 0; i < order_.size(); i++)
            order_[i] = static_cast<int>(i);
        split(0, order_.size(), 0);
    }

    // The `count` nearest to airport `from`, itself left out; equal ones by number.
    std::vector<int> nearest(int from, std::size_t count) const
    {
        Heap heap;
        search(0, order_.size(), 0, from, count, heap);
        std::vector<int> found;
        for (; !heap.empty(); heap.pop())
            found.push_back(heap.top().second);
        std::reverse(found.begin(), found.end());
        return found;
    }

  private:
    using Heap = std::priority_queue<std::pair<double, int>>;

    void split(std::size_t low, std::size_t high, int axis)
    {
        if (high - low < 2)
            return;
        std::size_t middle = (low + high) / 2;
        auto begin = order_.begin();
        std::nth_element(begin + static_cast<std::ptrdiff_t>(low),
                         begin + static_cast<std::ptrdiff_t>(middle),
                         begin + static_cast<std::ptrdiff_t>(high), [&](int a, int b) {
                             return std::make_pair(airports_[a].at[axis], a) <
                                    std::make_pair(airports_[b].at[axis], b);
                         });
        split(low, middle, (axis + 1) % 3);
        split(middle + 1, high, (axis + 1) % 3);
    }

    void search(std::size_t low, std::size_t high, int axis, int from, std::size_t count,
                Heap &heap) const
    {
        if (low >= high)
            return;
        std::size_t middle = (low + high) / 2;
        int here = order_[middle];
        if (here != from) {
            heap.emplace(square(airports_[from], airports_[here]), here);
            if (heap.size() > count)
                heap.pop();
        }
        double side = airports_[from].at[axis] - airports_[here].at[axis];
        int next = (axis + 1) % 3;
        if (side <= 0)
            search(low, middle, next, from, count, heap);
        else
            search(middle + 1, high, next, from, count, heap);
        if (heap.size() == count && side * side > heap.top().first)
            return;
        if (side <= 0)
            search(middle + 1, high, next, from, count, heap);
        else
            search(low, middle, next, from, count, heap);
    }

    const std::vector<Airport> &airports_;
    std::vector<int> order_;
};

using Graph = std::vector<std::vector<Hop>>;

Graph join(const std::vector<Airport> &airports, std::size_t neighbours, std::FILE *out)
{
    Tree tree(airports);
    Graph graph(airports.size());
    std::fprintf(out, "from,to,kilometres\n");
    for (int from = 0; from < static_cast<int>(airports.size()); from++)
        for (int to : tree.nearest(from, neighbours)) {
            double km = kilometres(airports[from], airports[to]);
            graph[from].push_back({to, km});
            graph[to].push_back({from, km}); // a hop leads both ways
            std::fprintf(out, "%s,%s,%.17g\n", airports[from].code.c_str(),
                         airports[to].code.c_str(), km);
        }
    return graph;
}

void tell_ways(const std::vector<Airport> &airports, const Graph &graph, int from, std::FILE *out)
{
    using Entry = std::pair<double, int>;
    std::vector<double> km(graph.size(), far);
    std::vector<int> hops(graph.size(), 0);
    std::priority_queue<Entry, std::vector<Entry>, std::greater<Entry>> open;
    km[from] = 0;
    open.emplace(0, from);
    while (!open.empty()) {
        auto [way, here] = open.top();
        open.pop();
        if (way > km[here])
            continue;
        for (const Hop &hop : graph[here])
            if (way + hop.km < km[hop.to]) {
                km[hop.to] = way + hop.km;
                hops[hop.to] = hops[here] + 1;
                open.emplace(km[hop.to], hop.to);
            }
    }
    int reached = 0, farthest = from;
    double sum = 0;
    for (int to = 0; to < static_cast<int>(graph.size()); to++) {
        if (km[to] == far)
            continue;
        reached++;
        sum += hops[to];
        if (km[to] > km[farthest])
            farthest = to;
    }
    std::fprintf(out, "%s,%d,%.17g,%.17g,%s\n", airports[from].code.c_str(), reached, sum / reached,
                 km[farthest], airports[farthest].code.c_str());
}

int fail(const char *what)
{
    std::fprintf(stderr, "airports: %s\n", what);
    return 2;
}

} // namespace

int main(int argc, char **argv)
{
    long neighbours = argc == 4 ? std::strtol(argv[1], nullptr, 10) : 0;
    long first = argc == 4 ? std::strtol(argv[2], nullptr, 10) : -1;
    long count = argc == 4 ? std::strtol(argv[3], nullptr, 10) : 0;
    std::vector<Airport> airports;
    if (!read_airports(IDLEGRID_IN "us_airports.csv", airports))
        return fail("cannot read /in/us_airports.csv");
    long size = static_cast<long>(airports.size());
    if (neighbours < 1 || neighbours >= size || first < 0 || count < 1 || first + count > size)
        return fail("needs NEIGHBOURS FIRST COUNT, within the airports of the list");
    std::FILE *joined = std::fopen(IDLEGRID_OUT "joined.csv", "w");
    std::FILE *ways = std::fopen(IDLEGRID_OUT "ways.csv", "w");
    if (!joined || !ways)
        return fail("cannot write to /out");

    Graph graph = join(airports, static_cast<std::size_t>(neighbours), joined);
    std::fprintf(ways, "from,reached,hops,kilometres,farthest\n");
    for (long i = 0; i < count; i++) {
        tell_ways(airports, graph, static_cast<int>(first + i), ways);
        idlegrid_progress(static_cast<double>(i + 1) / static_cast<double>(count));
        idlegrid_safepoint();
    }
    return std::fclose(joined) || std::fclose(ways) ? fail("cannot write to /out") : 0;
}
