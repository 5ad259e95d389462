// Dex as `dex serve` runs it, without its gRPC API, whose module the proxy does not have at this version.
//
// os.Args[1]: JSON {issuer, listen, database: {port, name}, clients: [storage.Client], home: config of the oidc connector}.
package main

import (
	"context"
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/authflow"
	"github.com/dexidp/dex/server/session"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/server/tokens"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/sql"
	"github.com/dexidp/dex/web"
	"github.com/prometheus/client_golang/prometheus"

	gosundheit "github.com/AppsFlyer/go-sundheit"
)

const tokensLive = 10 * time.Minute

type config struct {
	Issuer   string
	Listen   string
	Database struct {
		Port uint16
		Name string
	}
	Clients []storage.Client
	Home    json.RawMessage
}

func main() {
	var c config
	must(json.Unmarshal([]byte(os.Args[1]), &c))
	// what each request has to say would be written to a file: others here say nothing, or little
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx := context.Background()

	// as many connections as the others have: with the default of 5, browsers would wait for one another
	postgres := sql.Postgres{
		NetworkDB: sql.NetworkDB{
			Database: c.Database.Name, User: "postgres", Host: "127.0.0.1", Port: c.Database.Port,
			MaxOpenConns: 20, MaxIdleConns: 20,
		},
		SSL: sql.SSL{Mode: "disable"},
	}
	kept, err := postgres.Open(logger)
	must(err)
	kept = storage.WithStaticClients(kept, c.Clients)
	kept = storage.WithStaticConnectors(kept, []storage.Connector{{ID: "home", Type: "oidc", Name: "Home", Config: c.Home}})

	now := func() time.Time { return time.Now().UTC() }
	signs, err := (&signer.LocalConfig{KeysRotationPeriod: "6h"}).Open(ctx, kept, tokensLive, now, logger)
	must(err)
	refresh, err := tokens.NewRefreshTokenPolicy(logger, false, "", "", "0s")
	must(err)

	dex, err := server.NewServer(ctx, server.Config{
		Issuer:             c.Issuer,
		Storage:            kept,
		AllowedGrantTypes:  []string{"authorization_code", "refresh_token", "client_credentials"},
		SkipApprovalScreen: true,
		PKCE:               authflow.PKCEConfig{Enforce: true, CodeChallengeMethodsSupported: []string{"S256"}},
		Signer:             signs,
		IDTokensValidFor:   tokensLive,
		RefreshTokenPolicy: refresh,
		SessionConfig: &session.Config{
			CookieName: "dex_session", AbsoluteLifetime: 24 * time.Hour, ValidIfNotUsedFor: time.Hour,
		},
		Web:                server.WebConfig{WebFS: web.FS()},
		Now:                now,
		Logger:             logger,
		PrometheusRegistry: prometheus.NewRegistry(),
		HealthChecker:      gosundheit.New(),
	})
	must(err)
	must((&http.Server{Addr: c.Listen, Handler: dex, ReadHeaderTimeout: 30 * time.Second}).ListenAndServe())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
