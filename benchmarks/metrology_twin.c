/* The float64 waveform engine once more, in C: only the yardstick of benchmarks/metrology.py.
   Same passes, same outputs; sums run in eight explicit lanes, as the compiler may not reorder them by itself. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 256
#define WORK 1024
#define UNITS 281474976710656.0
typedef double lanes __attribute__((vector_size(64)));

typedef struct {
    double a[3], y[3], x[3], b, a1, a2, rin1, rin2, r1, r2, level, edge, dc[7], half, half_sum[3];
    double gain[7], least_a, least_w, period;
    int64_t fill, base, armed, since, least, most, streak, kind, preset, metering[3], full;
    int64_t core[8][2], pulse[2], pulses, reactive[3][4][2];
    double work[7][WORK], wheel[2][WORK];
} meter;

static inline lanes at(const double *p) { lanes v; memcpy(&v, p, sizeof v); return v; }
static inline double across(lanes v) {
    double s = 0; for (int k = 0; k < 8; k++) s += v[k]; return s;
}

static void sum3(meter *m, int64_t n0, int64_t n, const double *w, double *s, double *q, double *p) {
    for (int ph = 0; ph < 3; ph++) {
        const double *u = m->work[ph] + n0, *i = m->work[ph + 3] + n0;
        lanes su = {0}, si = {0}, qu = {0}, qi = {0}, pp = {0};
        int64_t k = 0;
        for (; k + 8 <= n; k += 8) {
            lanes a = at(u + k), b = at(i + k);
            su += a; si += b; qu += a * a; qi += b * b; pp += a * b;
        }
        double tsu = across(su), tsi = across(si), tqu = across(qu), tqi = across(qi), tp = across(pp);
        for (; k < n; k++) {
            tsu += u[k]; tsi += i[k]; tqu += u[k] * u[k]; tqi += i[k] * i[k]; tp += u[k] * i[k];
        }
        int64_t e[4] = {0, 1, n - 2, n - 1};
        for (int z = 0; z < 4; z++) {
            double a = u[e[z]], b = i[e[z]];
            tsu += w[z] * a; tsi += w[z] * b; tqu += w[z] * a * a; tqi += w[z] * b * b; tp += w[z] * a * b;
        }
        s[ph] = tsu; s[ph + 3] = tsi; q[ph] = tqu; q[ph + 3] = tqi; p[ph] = tp;
    }
}

static void sum1(const double *x, int64_t n, const double *w, double *s, double *q) {
    lanes a = {0}, b = {0}; int64_t k = 0;
    for (; k + 8 <= n; k += 8) { lanes v = at(x + k); a += v; b += v * v; }
    double ts = across(a), tq = across(b);
    for (; k < n; k++) { ts += x[k]; tq += x[k] * x[k]; }
    int64_t e[4] = {0, 1, n - 2, n - 1};
    for (int z = 0; z < 4; z++) { double v = x[e[z]]; ts += w[z] * v; tq += w[z] * v * v; }
    *s = ts; *q = tq;
}

static void weigh(double f0, double f1, int start, double *w) {
    w[0] = start ? 0 : 0.5 * (1 - f0) * (1 - f0) - 1; w[1] = start ? 0 : -0.5 * f0 * f0;
    w[2] = f1 - 0.5 * f1 * f1 - 0.5; w[3] = 0.5 * f1 * f1 - 1;
}

static inline void add(int64_t *reg, int64_t v) {
    int64_t rest = reg[1] + v, one = (int64_t)1 << 48;
    if (rest >= one) { reg[0] += rest / one; rest %= one; }
    reg[1] = rest;
}

static void row_of(meter *m, int64_t a, int64_t n, double f0, double f1, const double *w, int whole, double *row) {
    double s[7], q[7], p[3];
    int64_t *words = (int64_t *)row;
    sum3(m, a, n, w, s, q, p);
    if (m->full) sum1(m->work[6] + a, n, w, s + 6, q + 6);
    double len = n + w[0] + w[1] + w[2] + w[3], dur = len * m->period;
    if (whole) {
        m->streak++;
        double part = m->preset ? 0.02 : 1.0;
        for (int c = 0; c < (m->full ? 7 : 6); c++) m->dc[c] += part * (s[c] / len - m->dc[c]);
        if (m->streak >= 4) m->preset = 1;
    }
    row[0] = (m->base + a - 1 + f0) * m->period; row[1] = (m->base + a + n - 3 + f1) * m->period;
    row[2] = whole ? 1 / dur : NAN;
    int64_t total = 0;
    words[16] = m->pulse[0] * (int64_t)UNITS + m->pulse[1];
    for (int ph = 0; ph < 3; ph++) {
        double du = m->dc[ph], di = m->dc[ph + 3], su = s[ph] / len, si = s[ph + 3] / len;
        double u2 = q[ph] / len - du * (2 * su - du), i2 = q[ph + 3] / len - di * (2 * si - di);
        double mp = p[ph] / len - di * su - du * si + du * di, gu = m->gain[ph], gi = m->gain[ph + 3];
        double u = gu * sqrt(u2 > 0 ? u2 : 0), i = sqrt(gi * gi * i2 > 0 ? gi * gi * i2 : 0), power = gu * gi * mp;
        double h = m->metering[ph] ? 0.8 : 1.0;
        m->metering[ph] = i >= h * m->least_a && fabs(power) >= h * m->least_w;
        int64_t e = (int64_t)rint(power * dur * (UNITS / 3600));
        row[3 + ph] = u; row[6 + ph] = i; row[9 + ph] = power; words[12 + ph] = m->metering[ph] ? e : 0;
        if (m->metering[ph]) { add(m->core[e > 0 ? ph : ph + 3], llabs(e)); total += llabs(e); }
        else add(m->core[7], llabs(e));
    }
    add(m->core[6], total); add(m->pulse, total);
    words[15] = total; words[17] = m->pulse[0]; m->pulses += m->pulse[0]; m->pulse[0] = 0;
    words[18] = whole | (m->streak >= 4) << 1 | m->metering[0] << 2 | m->metering[1] << 3 | m->metering[2] << 4;
    if (!m->full) return;
    for (int k = 19; k < 46; k++) row[k] = NAN;
    for (int ph = 0; ph < 3; ph++) row[22 + ph] = row[3 + ph] * row[6 + ph];
    double dn = m->dc[6], n2 = q[6] / len - dn * (2 * s[6] / len - dn);
    row[39] = m->gain[6] * sqrt(n2 > 0 ? n2 : 0);
    if (!whole) { m->half = 0; return; }
    double step = 2 * M_PI / len, *cs = m->wheel[0], *sn = m->wheel[1];
    for (int k = 0; k < 8; k++) { cs[k] = cos((k - f0) * step); sn[k] = sin((k - f0) * step); }
    double c8 = cos(8 * step), s8 = sin(8 * step);
    lanes c = at(cs), z = at(sn);
    for (int64_t k = 8; k < n; k += 8) {
        lanes t = c * c8 - z * s8; z = c * s8 + z * c8; c = t;
        memcpy(cs + k, &c, sizeof c); memcpy(sn + k, &z, sizeof z);
    }
    for (int ch = 0; ch < 7; ch++) {
        const double *x = m->work[ch] + a;
        lanes re = {0}, im = {0}; int64_t k = 0;
        for (; k + 8 <= n; k += 8) { lanes v = at(x + k); re += v * at(cs + k); im -= v * at(sn + k); }
        double tr = across(re), ti = across(im);
        for (; k < n; k++) { tr += x[k] * cs[k]; ti -= x[k] * sn[k]; }
        int64_t e[4] = {0, 1, n - 2, n - 1};
        for (int y = 0; y < 4; y++) { tr += w[y] * x[e[y]] * cs[e[y]]; ti -= w[y] * x[e[y]] * sn[e[y]]; }
        double factor = sqrt(2) / len * m->gain[ch];
        row[25 + 2 * ch] = factor * tr; row[26 + 2 * ch] = factor * ti;
    }
    double middle = f0 + 0.5 * len; int64_t mid = (int64_t)floor(middle) + 1; double hw[4];
    weigh(f0, middle - (mid - 1), 0, hw);
    for (int ph = 0; ph < 3; ph++) {
        double *u = row + 25 + 2 * ph, *i = row + 31 + 2 * ph, q1 = u[1] * i[0] - u[0] * i[1];
        row[19 + ph] = q1;
        if (m->metering[ph]) {
            int64_t e = (int64_t)rint(q1 * dur * (UNITS / 3600)); int in = words[12 + ph] >= 0;
            add(m->reactive[ph][e >= 0 ? (in ? 0 : 1) : (in ? 3 : 2)], llabs(e));
        }
        double hs, hq, du = m->dc[ph];
        sum1(m->work[ph] + a, mid + 1, hw, &hs, &hq);
        double first = hq - du * (2 * hs - du * 0.5 * len), both = q[ph] - du * (2 * s[ph] - du * len);
        if (m->half > 0) row[40 + ph] = m->gain[ph] * sqrt((m->half_sum[ph] + first) / (m->half + 0.5 * len));
        row[43 + ph] = m->gain[ph] * sqrt(both / len);
        m->half_sum[ph] = both - first;
    }
    m->half = 0.5 * len;
}

int64_t size_of_meter(void) { return sizeof(meter); }

void start(meter *m, double fs, int full, double least_a, double least_w) {
    memset(m, 0, sizeof *m);
    double turn = 2 * M_PI * 50 / fs, alpha = sin(turn) / 1.4;
    m->b = alpha / (1 + alpha); m->a1 = -2 * cos(turn) / (1 + alpha); m->a2 = (1 - alpha) / (1 + alpha);
    m->level = 2.3; m->least = 3; m->most = (int64_t)(fs / 35) + 1; m->full = full; m->period = 1 / fs;
    for (int c = 0; c < 7; c++) m->gain[c] = 1;
    m->least_a = least_a; m->least_w = least_w;
}

int64_t push(meter *m, const double *block, int64_t samples, double *rows, int64_t row_words) {
    int64_t written = 0;
    int channels = m->full ? 7 : 6;
    for (int64_t first = 0; first < samples;) {
        int64_t count = samples - first < CHUNK ? samples - first : CHUNK, places[32], found = 0;
        double edges[32];
        const double *u1 = block + first, *u2 = u1 + samples, *u3 = u2 + samples;
        double *o1 = m->work[0] + m->fill, *o2 = m->work[1] + m->fill, *o3 = m->work[2] + m->fill;
        double y1 = m->y[0], y2 = m->y[1], y3 = m->y[2], x1 = m->x[0], x2 = m->x[1], x3 = m->x[2];
        double a1 = m->a[0], a2 = m->a[1], a3 = m->a[2], rin1 = m->rin1, rin2 = m->rin2, r1 = m->r1, r2 = m->r2;
        double b = m->b, ba1 = m->a1, ba2 = m->a2, level = m->level;
        int64_t armed = m->armed, since = m->since, least = m->least, most = m->most, whole_least = (int64_t)(1 / m->period / 80);
        for (int64_t j = 0; j < count; j++) {
            double v1 = u1[j], v2 = u2[j], v3 = u3[j];
            y1 = (a1 * v1 + x1) - a1 * y1; y2 = (a2 * v2 + x2) - a2 * y2; y3 = (a3 * v3 + x3) - a3 * y3;
            x1 = v1; x2 = v2; x3 = v3; o1[j] = y1; o2[j] = y2; o3[j] = y3;
            double rin = v1 - 0.5 * v2 - 0.2 * v3, r = (b * (rin - rin2) - ba2 * r2) - ba1 * r1;
            since++;
            if (armed) {
                if (r >= 0 && since >= least) {
                    places[found] = m->fill + j; edges[found++] = r1 < 0 ? -r1 / (r - r1) : 0;
                    armed = 0; since = 0; least = whole_least;
                }
            } else if (r < -level) armed = 1;
            if (since >= most) { places[found] = -(m->fill + j); edges[found++] = 0; since = 0; least = whole_least; }
            rin2 = rin1; rin1 = rin; r2 = r1; r1 = r;
        }
        m->y[0] = y1; m->y[1] = y2; m->y[2] = y3; m->x[0] = x1; m->x[1] = x2; m->x[2] = x3;
        m->rin1 = rin1; m->rin2 = rin2; m->r1 = r1; m->r2 = r2; m->armed = armed; m->since = since; m->least = least;
        for (int c = 3; c < channels; c++)
            memcpy(m->work[c] + m->fill + 1, block + c * samples + first, count * sizeof(double));
        first += count; m->fill += count;
        int64_t a = m->kind ? 0 : 1;
        for (int64_t k = 0; k < found; k++) {
            double w[4]; int64_t to = llabs(places[k]);
            weigh(m->edge, edges[k], m->kind == 0, w);
            row_of(m, a, to + 1 - a, m->edge, edges[k], w, m->kind == 1 && places[k] > 0, rows + written++ * row_words);
            m->kind = places[k] < 0 ? 2 : 1; m->edge = edges[k]; a = to - 1;
        }
        if (found) {
            for (int c = 0; c < channels; c++)
                memmove(m->work[c], m->work[c] + a, (m->fill + 1 - a) * sizeof(double));
            m->fill -= a; m->base += a;
        }
    }
    return written;
}
