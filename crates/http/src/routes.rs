//! Every URL of the product on one page, grouped by reader.
//!
//! A method that a route does not take is a 404 as in devpi, never a 405, except where
//! somebody uploads to the URL for installers.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, any, delete, get, post};

use crate::front::{self, Shared};
use crate::{devpi, documentation, files, health, simple, upload, web};

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let router = Router::new();

    // Machines that watch
    let router = router
        .route("/+health/live", get(health::live))
        .route("/+health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/+status", any(devpi::status))
        .route("/+authcheck", any(devpi::authcheck));

    // devpi's client: where things are, who I am
    let router = both(router, "/+login", get(web::login_page).post(devpi::login));
    let router = both(router, "/+logout", get(web::logout_page).post(web::log_out));
    let router = both(router, "/+api", any(devpi::of_server));
    let router = both(router, "/{user}/+api", any(devpi::of_server));
    let router = both(router, "/{user}/{index}/+api", any(devpi::of_index));

    // devpi's client: users
    let router = router.route("/", get(devpi::list_users));
    let router = both(
        router,
        "/{user}",
        get(devpi::show_user)
            .put(devpi::create_user)
            .patch(devpi::update_user)
            .delete(devpi::remove_user),
    );

    // Browsers: what pages look like, and the search
    let router = router.route("/+static/{hash}/{name}", get(web::look::asset));
    let router = both(router, "/+search", get(web::search));
    let router = both(router, "/+searchhelp", get(web::search_help));

    // devpi-tokens' client
    let router = router
        .route("/{user}/+token-create", post(devpi::create_token))
        .route("/{user}/+tokens", get(devpi::list_tokens))
        .route("/{user}/+tokens/{id}", delete(devpi::remove_token));

    // devpi's client: indexes; uploads of twine and everybody else; pushes
    let router = both(
        router,
        "/{user}/{index}",
        get(devpi::show_index)
            .put(devpi::create_index)
            .patch(devpi::update_index)
            .delete(devpi::remove_index)
            .post(upload::receive)
            .fallback(devpi::push_request),
    );

    // devpi's client: projects and releases
    let router = both(
        router,
        "/{user}/{index}/{project}",
        get(devpi::show_project).delete(devpi::remove_project),
    );
    let router = both(
        router,
        "/{user}/{index}/{project}/{version}",
        get(devpi::show_release)
            .delete(devpi::remove_release)
            .post(devpi::refresh_project),
    );
    let router = router
        .route(
            "/{user}/{index}/{project}/{version}/+yank",
            post(devpi::yank),
        )
        .route(
            "/{user}/{index}/{project}/{version}/+unyank",
            post(devpi::unyank),
        );

    // Documentation and test results
    let router = both(
        router,
        "/{user}/{index}/{project}/{version}/+doc",
        get(documentation::raw),
    );
    let router = both(
        router,
        "/{user}/{index}/{project}/{version}/+d",
        get(documentation::framed),
    );
    let router = router
        .route(
            "/{user}/{index}/{project}/{version}/+doc/{*path}",
            get(documentation::raw),
        )
        .route(
            "/{user}/{index}/{project}/{version}/+d/{*path}",
            get(documentation::framed),
        )
        .route(
            "/{user}/{index}/{project}/{version}/+toxresults/{file}",
            get(devpi::list_test_results),
        )
        .route(
            "/{user}/{index}/{project}/{version}/+toxresults/{file}/{toxresult}",
            get(devpi::show_test_result),
        );

    // Installers
    let router = both(
        router,
        "/{user}/{index}/+simple",
        get(simple::project_list).post(upload::refuse),
    );
    let router = both(
        router,
        "/{user}/{index}/+simple/{project}",
        get(simple::project_page).post(upload::refuse),
    );
    let router = both(
        router,
        "/{user}/{index}/+findlinks",
        get(simple::find_links),
    );
    let router = router.route(
        "/{user}/{index}/+simple/{project}/refresh",
        post(simple::refresh),
    );
    let router = both(
        router,
        "/{user}/{index}/+f/{first}/{second}/{name}",
        get(files::download)
            .merge(delete(devpi::remove_file))
            .merge(post(devpi::add_test_result)),
    );
    let router = both(
        router,
        "/{user}/{index}/+e/{directory}/{name}",
        get(files::download)
            .merge(delete(devpi::remove_file))
            .merge(post(devpi::add_test_result)),
    );

    router
        .fallback(front::no_route)
        .method_not_allowed_fallback(front::no_route)
        // Each reader of a body has its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// The same with and without a slash at the end, as in devpi.
fn both(
    router: Router<Arc<Shared>>,
    path: &str,
    methods: MethodRouter<Arc<Shared>>,
) -> Router<Arc<Shared>> {
    router
        .route(path, methods.clone())
        .route(&format!("{path}/"), methods)
}
