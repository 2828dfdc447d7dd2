/* The Sun and its four giant planets under their own gravity, by the leapfrog method.
 *
 * planets DAYS STEPS_PER_DAY
 * /in/planets.csv   name,mass (Suns),x,y,z (astronomical units),vx,vy,vz (units a day)
 * /out/orbits.csv   name,x,y,z,vx,vy,vz after DAYS, about the centre of mass
 * /out/energy.csv   day,energy   of the whole system, which nature keeps
 *
 * Kick, drift, kick: L. Verlet, Phys. Rev. 159, 98 (1967). It keeps the energy bounded for ever.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idlegrid.h"

enum { BODIES_MAX = 64, NOTES = 100 };

/* Gauss's constant: the pull of the Sun in astronomical units, Suns and days. */
#define GRAVITY (0.01720209895 * 0.01720209895)

typedef struct {
    char name[32];
    double mass, at[3], speed[3], pull[3];
} Body;

static Body bodies[BODIES_MAX];
static int count;

static int fail(const char *what)
{
    fprintf(stderr, "planets: %s\n", what);
    return 2;
}

static int read_bodies(const char *path)
{
    char line[512];
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file))
        return 0;
    while (count < BODIES_MAX && fgets(line, sizeof line, file)) {
        Body *b = &bodies[count];
        if (sscanf(line, "%31[^,],%lf,%lf,%lf,%lf,%lf,%lf,%lf", b->name, &b->mass, &b->at[0],
                   &b->at[1], &b->at[2], &b->speed[0], &b->speed[1], &b->speed[2]) != 8)
            return 0;
        count++;
    }
    fclose(file);
    return count > 1;
}

/* Move the origin to the centre of mass, and let it rest there. */
static void centre(void)
{
    double mass = 0;
    for (int i = 0; i < count; i++)
        mass += bodies[i].mass;
    for (int axis = 0; axis < 3; axis++) {
        double place = 0, motion = 0;
        for (int i = 0; i < count; i++) {
            place += bodies[i].mass * bodies[i].at[axis] / mass;
            motion += bodies[i].mass * bodies[i].speed[axis] / mass;
        }
        for (int i = 0; i < count; i++) {
            bodies[i].at[axis] -= place;
            bodies[i].speed[axis] -= motion;
        }
    }
}

static void attract(void)
{
    for (int i = 0; i < count; i++)
        bodies[i].pull[0] = bodies[i].pull[1] = bodies[i].pull[2] = 0;
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++) {
            double dx = bodies[j].at[0] - bodies[i].at[0];
            double dy = bodies[j].at[1] - bodies[i].at[1];
            double dz = bodies[j].at[2] - bodies[i].at[2];
            double square = dx * dx + dy * dy + dz * dz;
            double factor = GRAVITY / (square * sqrt(square));
            double on_i = factor * bodies[j].mass, on_j = factor * bodies[i].mass;
            bodies[i].pull[0] += dx * on_i;
            bodies[i].pull[1] += dy * on_i;
            bodies[i].pull[2] += dz * on_i;
            bodies[j].pull[0] -= dx * on_j;
            bodies[j].pull[1] -= dy * on_j;
            bodies[j].pull[2] -= dz * on_j;
        }
}

static double energy(void)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        const double *v = bodies[i].speed;
        sum += bodies[i].mass * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) / 2;
        for (int j = i + 1; j < count; j++) {
            double dx = bodies[j].at[0] - bodies[i].at[0];
            double dy = bodies[j].at[1] - bodies[i].at[1];
            double dz = bodies[j].at[2] - bodies[i].at[2];
            sum -= GRAVITY * bodies[i].mass * bodies[j].mass / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return sum;
}

__attribute__((noinline)) static void step(double dt)
{
    for (int i = 0; i < count; i++)
        for (int axis = 0; axis < 3; axis++) {
            bodies[i].speed[axis] += bodies[i].pull[axis] * dt / 2;
            bodies[i].at[axis] += bodies[i].speed[axis] * dt;
        }
    attract();
    for (int i = 0; i < count; i++)
        for (int axis = 0; axis < 3; axis++)
            bodies[i].speed[axis] += bodies[i].pull[axis] * dt / 2;
}

int main(int argc, char **argv)
{
    long days = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    long per_day = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (days < 1 || days > 1000000000 || per_day < 1 || per_day > 10000)
        return fail("needs DAYS (1 to 10^9) and STEPS_PER_DAY (1 to 10^4)");
    if (!read_bodies(IDLEGRID_IN "planets.csv"))
        return fail("/in/planets.csv must have a header and 2 to 64 bodies");
    FILE *log = fopen(IDLEGRID_OUT "energy.csv", "w");
    if (!log)
        return fail("cannot write energy.csv");

    centre();
    attract();
    long every = days / NOTES ? days / NOTES : 1;
    fprintf(log, "day,energy\n0,%.17g\n", energy());
    for (long day = 1; day <= days; day++) {
        for (long i = 0; i < per_day; i++)
            step(1.0 / (double)per_day);
        if (day % every == 0) {
            fprintf(log, "%ld,%.17g\n", day, energy());
            idlegrid_progress((double)day / (double)days);
        }
        if (day % 1024 == 0)
            idlegrid_safepoint();
    }
    FILE *out = fopen(IDLEGRID_OUT "orbits.csv", "w");
    if (fclose(log) || !out)
        return fail("cannot write to /out");
    fprintf(out, "name,x,y,z,vx,vy,vz\n");
    for (int i = 0; i < count; i++) {
        const Body *b = &bodies[i];
        fprintf(out, "%s,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g\n", b->name, b->at[0], b->at[1],
                b->at[2], b->speed[0], b->speed[1], b->speed[2]);
    }
    return fclose(out) ? fail("cannot write orbits.csv") : 0;
}
