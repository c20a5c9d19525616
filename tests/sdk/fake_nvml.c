/* A few functions of the NVML ABI, for tests on machines without a GPU.

   GPU i has values that can be told from those of every other; fake_set and fake_fail change them
   while the library is loaded, and the variables FAKE_NVML_GPUS and FAKE_NVML_LOSE ("1:5": GPU 1 is
   lost at its sixth reading) at the start. Structs as in nvml.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, TIMEOUT = 10, LOST = 15 };
enum { MOST = 128, FAILURES = 64, EVENTS = 16 };
typedef unsigned long long u64;

typedef struct { int is_mig, index, number; } Handle;
typedef struct { u64 used, total; int sm, mem, enc, dec, watts_m, celsius, mig, lost, reads, lose_at, untold; u64 mj, reasons, ecc[2], pcie[2], nvlink[2]; } Gpu;
typedef struct { unsigned pid; u64 used; unsigned gi, ci; } Process;
typedef struct { unsigned pid; u64 at; unsigned sm, mem, enc, dec; } ProcessRate;
typedef struct { unsigned field, scope; long long at, latency; unsigned type; int ret; union { double d; u64 u; } value; } Field;
typedef struct { Handle *device; u64 type, data; unsigned gi, ci; } Event;

static Gpu gpus[MOST];
static Handle handles[MOST], migs[MOST][2];
static int count = 2, processes = 1, events, calls, supports;
static struct { int gpu; char name[64]; int code; } failures[FAILURES];
static Event waiting[EVENTS];

int nvmlInitWithFlags(unsigned flags) {
    const char *many = getenv("FAKE_NVML_GPUS"), *lose = getenv("FAKE_NVML_LOSE");
    (void)flags;
    memset(failures, 0, sizeof failures);
    events = supports = 0;
    count = many ? atoi(many) : 2;
    for (int i = 0; i < count; i++) {
        gpus[i] = (Gpu){.used = (10ull + i) << 30, .total = 80ull << 30, .sm = 90 - i, .mem = 40 + i, .enc = 3, .dec = 5,
            .watts_m = 600500 + i, .celsius = 61 + i, .mj = 5000000ull + i, .reasons = i ? 0x24 : 0, .lose_at = -1,
            .ecc = {7, 1}, .pcie = {111000, 222000}, .nvlink = {333, 444}};
        handles[i] = (Handle){0, i, 0};
        for (int m = 0; m < 2; m++) migs[i][m] = (Handle){1, i, m + 1};
    }
    if (lose) { int g = 0, at = 0; if (sscanf(lose, "%d:%d", &g, &at) == 2) gpus[g].lose_at = at; }
    return OK;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : code == NOT_SUPPORTED ? "Not Supported" : "Error"; }

void fake_set(int gpu, const char *name, u64 value) {
    Gpu *g = &gpus[gpu];
    if (!strcmp(name, "mig")) g->mig = (int)value;
    else if (!strcmp(name, "no activity")) g->untold = (int)value;
    else if (!strcmp(name, "sm")) g->sm = (int)value;
    else if (!strcmp(name, "lost")) g->lost = (int)value;
    else if (!strcmp(name, "mj")) g->mj = value;
    else if (!strcmp(name, "reasons")) g->reasons = value;
    else if (!strcmp(name, "processes")) processes = (int)value;
    else if (!strcmp(name, "xid") && events < EVENTS)
        waiting[events++] = (Event){&handles[gpu], 8, value, ~0u, ~0u};
}
void fake_fail(int gpu, const char *name, int code) {
    for (int i = 0; i < FAILURES; i++)
        if (!failures[i].name[0]) {
            failures[i].gpu = gpu;
            failures[i].code = code;
            snprintf(failures[i].name, sizeof failures[i].name, "%s", name);
            return;
        }
}
int fake_calls(const char *name) { return !strcmp(name, "activity support") ? supports : calls; }
static int check(Handle *h, const char *name) {
    Gpu *g = &gpus[h->index];
    calls++;
    if (g->lost) return LOST;
    for (int i = 0; i < FAILURES && failures[i].name[0]; i++)
        if (failures[i].gpu == h->index && !strcmp(failures[i].name, name)) return failures[i].code;
    return OK;
}
#define CHECK(name) do { int code = check(h, name); if (code) return code; } while (0)
#define G (gpus[h->index])

int nvmlDeviceGetCount_v2(unsigned *n) { *n = (unsigned)count; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Handle **h) {
    *h = &handles[i];
    return check(*h, "handle");
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Handle **h) {
    int i = -1;
    sscanf(uuid, "GPU-%d", &i);
    if (i < 0 || i >= count) return NOT_FOUND;
    *h = &handles[i];
    return check(*h, "handle");
}
int nvmlDeviceGetUUID(Handle *h, char *out, unsigned n) {
    CHECK("uuid");
    snprintf(out, n, h->is_mig ? "MIG-%08d-%d" : "GPU-%08d", h->index, h->number);
    return OK;
}
int nvmlDeviceGetName(Handle *h, char *out, unsigned n) {
    CHECK("name");
    snprintf(out, n, h->is_mig ? "NVIDIA H200 MIG 3g.71gb" : "NVIDIA H200");
    return OK;
}
int nvmlDeviceGetUtilizationRates(Handle *h, unsigned *out) {
    if (G.lose_at >= 0 && G.reads++ >= G.lose_at) G.lost = 1;
    CHECK("rates");
    if (G.mig) return NOT_SUPPORTED;
    out[0] = (unsigned)G.sm;
    out[1] = (unsigned)G.mem;
    return OK;
}
int nvmlDeviceGetEncoderUtilization(Handle *h, unsigned *v, unsigned *us) { CHECK("encoder"); *v = (unsigned)G.enc; *us = 1; return OK; }
int nvmlDeviceGetDecoderUtilization(Handle *h, unsigned *v, unsigned *us) { CHECK("decoder"); *v = (unsigned)G.dec; *us = 1; return OK; }
int nvmlDeviceGetMemoryInfo(Handle *h, u64 *out) {
    CHECK("memory");
    u64 used = h->is_mig ? G.used / 4 * (u64)h->number : G.used, total = h->is_mig ? G.total / 2 : G.total;
    out[0] = total; out[1] = total - used; out[2] = used;
    return OK;
}
int nvmlDeviceGetPowerUsage(Handle *h, unsigned *v) { CHECK("power"); *v = (unsigned)G.watts_m; return OK; }
int nvmlDeviceGetEnforcedPowerLimit(Handle *h, unsigned *v) { CHECK("limit"); *v = 700000; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(Handle *h, u64 *v) { CHECK("energy"); *v = G.mj; return OK; }
int nvmlDeviceGetTemperatureV(Handle *h, unsigned *v) { CHECK("temperature"); v[2] = (unsigned)G.celsius; return OK; }
int nvmlDeviceGetTemperature(Handle *h, unsigned sensor, unsigned *v) { (void)sensor; CHECK("old temperature"); *v = (unsigned)G.celsius; return OK; }
int nvmlDeviceGetClockInfo(Handle *h, unsigned clock, unsigned *v) { CHECK("clock"); *v = 1000 + 100 * clock; return OK; }
int nvmlDeviceGetCurrentClocksEventReasons(Handle *h, u64 *v) { CHECK("reasons"); *v = G.reasons; return OK; }
int nvmlDeviceGetTotalEccErrors(Handle *h, unsigned kind, unsigned counter, u64 *v) { (void)counter; CHECK("ecc"); *v = G.ecc[kind]; return OK; }
int nvmlDeviceGetPcieThroughput(Handle *h, unsigned counter, unsigned *v) { CHECK("pcie"); *v = 50 + counter; return OK; }
int nvmlDeviceGetFieldValues(Handle *h, int n, Field *fields) {
    CHECK("fields");
    for (int i = 0; i < n; i++) {
        Field *f = &fields[i];
        f->type = 3;
        f->ret = OK;
        switch (f->field) {
            case 82: f->value.u = (u64)G.celsius + 10; f->type = 1; break;
            case 197: f->value.u = G.pcie[0]; f->ret = check(h, "pcie bytes"); break;
            case 198: f->value.u = G.pcie[1]; f->ret = check(h, "pcie bytes"); break;
            case 138: f->value.u = G.nvlink[0]; break;
            case 139: f->value.u = G.nvlink[1]; break;
            default: f->ret = NOT_SUPPORTED;
        }
    }
    return OK;
}
int nvmlDeviceGetMigMode(Handle *h, unsigned *now, unsigned *later) { CHECK("mig"); *now = *later = (unsigned)G.mig; return OK; }
int nvmlDeviceGetMaxMigDeviceCount(Handle *h, unsigned *n) { CHECK("most"); *n = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(Handle *h, unsigned i, Handle **out) {
    CHECK("instance");
    if (i > 1) return NOT_FOUND;
    *out = &migs[h->index][i];
    return OK;
}
int nvmlDeviceGetGpuInstanceId(Handle *h, unsigned *v) { CHECK("number"); *v = (unsigned)h->number; return OK; }
int nvmlDeviceGetAttributes_v2(Handle *h, unsigned *out) { CHECK("slices"); memset(out, 0, 40); out[6] = 3; return OK; }
int nvmlDeviceGetComputeRunningProcesses_v3(Handle *h, unsigned *n, Process *out) {
    CHECK("processes");
    if (!processes) { *n = 0; return OK; }
    if (*n < 1 || !out) { *n = 1; return TOO_SMALL; }
    *n = 1;
    out[0] = (Process){(unsigned)(4000 + h->index), G.used / 2, G.mig ? 1 : ~0u, ~0u};
    return OK;
}
int nvmlDeviceGetProcessUtilization(Handle *h, ProcessRate *out, unsigned *n, u64 since) {
    CHECK("process rates");
    if (since >= 2000) return NOT_FOUND;
    if (*n < 2 || !out) { *n = 2; return TOO_SMALL; }
    *n = 2;
    out[0] = (ProcessRate){(unsigned)(4000 + h->index), 1000, 60, 20, 0, 0};
    out[1] = (ProcessRate){(unsigned)(4000 + h->index), 2000, 80, 30, 0, 0};
    return OK;
}
/* GPM: what an instance did between two samples. Instance 1 is busy a quarter of the time, 2 a half. */
typedef struct { unsigned at, number; } Sample;
typedef struct { unsigned id; int ret; double value; char *names[3]; } Metric;
typedef struct { unsigned version, n; Sample *first, *last; Metric metrics[1]; } Metrics;
static int samples;
static unsigned ticks;
int fake_samples(void) { return samples; }
int nvmlGpmQueryDeviceSupport(Handle *h, unsigned *out) {
    supports++;
    CHECK("activity support");
    out[1] = !G.untold;
    return OK;
}
int nvmlGpmSampleAlloc(Sample **out) { *out = calloc(1, sizeof **out); samples++; return OK; }
int nvmlGpmSampleFree(Sample *sample) { free(sample); samples--; return OK; }
int nvmlGpmMigSampleGet(Handle *h, unsigned number, Sample *out) {
    CHECK("activity");
    if (!G.mig) return NOT_SUPPORTED;
    *out = (Sample){++ticks, number};
    return OK;
}
int nvmlGpmMetricsGet(Metrics *asked) {
    Sample *a = asked->first, *b = asked->last;
    if (asked->version != 1 || asked->n != 1 || a->number != b->number || a->at >= b->at) return INVALID;
    asked->metrics[0].ret = asked->metrics[0].id == 1 ? OK : NOT_SUPPORTED;
    asked->metrics[0].value = 25.0 * b->number;
    return OK;
}
int nvmlEventSetCreate(void **set) { *set = waiting; return OK; }
int nvmlEventSetFree(void *set) { (void)set; return OK; }
int nvmlDeviceRegisterEvents(Handle *h, u64 types, void *set) { (void)types; (void)set; CHECK("events"); return OK; }
int nvmlEventSetWait_v2(void *set, Event *out, unsigned ms) {
    (void)set; (void)ms;
    if (!events) return TIMEOUT;
    *out = waiting[--events];
    return OK;
}
